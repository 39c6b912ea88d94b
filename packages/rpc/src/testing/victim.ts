// A server process that tests kill or hold up:
//   node victim.ts AMQP-URL NAMESPACE ID FILE
// It serves `victim` with one handler at a time and appends a line to FILE for each effect.
import { appendFileSync } from 'node:fs';
import { connectAmqp, serve } from '../index.ts';
import { victimContract } from './victim-contract.ts';

const [url = '', namespace = '', id = '', file = ''] = process.argv.slice(2);
const transport = await connectAmqp({ url, namespace, service: 'victim', id, queues: 'classic' });

const work = (_context: unknown, word: string): Promise<string> | string => {
  appendFileSync(file, `${word}\n`);
  if (word.startsWith('stay')) return new Promise(() => undefined);
  if (word.startsWith('die')) process.kill(process.pid, 'SIGKILL'); // the effect is there, the answer is not
  if (word.startsWith('block')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(word.split(' ')[1]));
  return `${word} by ${id}`;
};
await serve(transport, victimContract, { work, again: work, note: (context, word) => void work(context, word) }, { concurrency: 1 });
process.send?.('ready');
process.on('disconnect', () => process.exit());
