import { startServices, type Services } from '../tests/support/services/services.ts';
import { Interrupted, runStage, untilSignal } from './stage.ts';

const command = process.argv.slice(process.argv[2] === '--' ? 3 : 2);
if (command.length === 0) {
  console.error('usage: npm run services -- COMMAND [ARGUMENT...]');
  process.exit(2);
}

const signal = untilSignal();
let services: Services | undefined;
try {
  services = await startServices({ say: (line) => console.error(line), signal });
  process.exitCode = (await runStage(command, { env: services.env, signal })).code;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof Interrupted ? error.exitCode : 1;
} finally {
  await services?.stop();
}
