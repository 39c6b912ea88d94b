import { startServices } from '../tests/support/services/services.ts';
import { runStage, untilSignal } from './stage.ts';

const command = process.argv.slice(process.argv[2] === '--' ? 3 : 2);
if (command.length === 0) {
  console.error('usage: npm run services -- COMMAND [ARGUMENT...]');
  process.exit(2);
}

const interrupted = untilSignal();
const services = await startServices({ say: (line) => console.error(line), signal: interrupted });
try {
  const { code } = await runStage(command, { env: services.env, signal: interrupted });
  process.exitCode = code;
} finally {
  await services.stop();
}
