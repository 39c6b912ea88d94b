// npm run bench -w packages/rpc -- [--op call,cast] [--queue classic,quorum] [--bytes 200,4096,65536]
//   [--concurrency 1,32,256] [--peers raw,raw-like-ours,kilonova,codec,oslo] [--seconds 1.5] [--rounds 3] [--json]
// Client and server are processes of their own, on one broker. The peers take turns within each round, and a ratio is
// taken within its round: on a machine with other work the ratios mean something, single rates do not.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brokerCpu } from './broker-process.ts';
import type { Cell } from './cell.ts';
import { Peer, type Outcome } from './peer.ts';

const { values } = parseArgs({
  options: {
    op: { type: 'string', default: 'call,cast' },
    queue: { type: 'string', default: 'classic,quorum' },
    bytes: { type: 'string', default: '200,4096,65536' },
    concurrency: { type: 'string', default: '1,32,256' },
    peers: { type: 'string', default: 'raw,raw-like-ours,kilonova,codec,oslo' },
    seconds: { type: 'string', default: '1.5' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const PYTHON = '/usr/bin/python3';
const FLOOR = 'raw';
/** Peers whose queues are the broker's default kind. */
const ONLY_CLASSIC: readonly string[] = ['codec', 'oslo'];

const url = process.env['KILONOVA_TEST_AMQP_URL'];
if (url === undefined) throw new Error('expected a broker in KILONOVA_TEST_AMQP_URL; `npm run bench` starts one');
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const commands: Readonly<Record<string, (role: string) => readonly string[]>> = {
  raw: (role) => [process.execPath, file('raw-process.ts'), role, url],
  'raw-like-ours': (role) => [process.execPath, file('raw-process.ts'), role, url, 'like-ours'],
  kilonova: (role) => [process.execPath, file('kilonova-process.ts'), role, url],
  codec: (role) => [process.execPath, file('codec-process.ts'), role, url],
  oslo: (role) => [PYTHON, file('oslo_process.py'), role, `${url.replace(/^amqp/, 'rabbit').replace(/\/$/, '')}/`],
};

const peers: Peer[] = [];
try {
  for (const name of values.peers.split(',')) {
    const command = commands[name];
    if (command === undefined) throw new Error(`--peers: expected ${Object.keys(commands).join(', ')}, found ${name}`);
    if (name === 'oslo' && spawnSync(PYTHON, ['-c', 'import oslo_messaging']).status !== 0)
      console.log('oslo.messaging is not there (Debian: python3-oslo.messaging): left out');
    else peers.push(await Peer.start(name, command));
  }
  const cpu = brokerCpu(url);
  if (!values.json) console.log(row(headings()));
  for (const cell of cells()) await measure(cell, cpu);
} finally {
  for (const peer of peers) await peer.end();
}

function* cells(): Generator<Cell> {
  const numbers = (text: string) => text.split(',').map(Number);
  for (const op of values.op.split(',') as Cell['op'][])
    for (const queue of values.queue.split(',') as Cell['queue'][])
      for (const bytes of numbers(values.bytes))
        for (const concurrency of numbers(values.concurrency))
          yield { op, queue, bytes, concurrency, milliseconds: Number(values.seconds) * 1_000 };
}

async function measure(cell: Cell, cpu: () => number): Promise<void> {
  const rounds: Map<string, Outcome>[] = [];
  const present = peers.filter(({ name }) => !ONLY_CLASSIC.includes(name) || cell.queue === 'classic');
  for (let round = 0; round < Number(values.rounds); round++) {
    const outcomes = new Map<string, Outcome>();
    for (const peer of present) outcomes.set(peer.name, await peer.measure(cell, cpu));
    rounds.push(outcomes);
  }
  for (const { name } of present) {
    const of = (figure: keyof Outcome) => median(rounds.map((outcomes) => outcomes.get(name)?.[figure] ?? Number.NaN));
    const ratio = median(rounds.map((outcomes) => (outcomes.get(name)?.perSecond ?? 0) / (outcomes.get(FLOOR)?.perSecond ?? Number.NaN)));
    const figures = {
      perSecond: of('perSecond'),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      clientUs: of('clientUs'),
      serverUs: of('serverUs'),
      brokerUs: of('brokerUs'),
    };
    const { milliseconds: _, ...what } = cell;
    if (values.json) console.log(JSON.stringify({ ...what, peer: name, ...figures, ratio, load: loadavg()[0] }));
    else
      console.log(
        row([
          ...Object.values(what).map(String),
          name,
          figures.perSecond.toFixed(0),
          ...[figures.p50Ms, figures.p99Ms].map((ms) => ms.toFixed(ms < 10 ? 3 : 1)),
          ...[figures.clientUs, figures.serverUs, figures.brokerUs].map((us) => us.toFixed(0)),
          ratio.toFixed(2),
          (loadavg()[0] ?? 0).toFixed(1),
        ]),
      );
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function headings() {
  return ['op', 'queue', 'bytes', 'c', 'peer', 'per s', 'p50 ms', 'p99 ms', 'client µs', 'server µs', 'broker µs', '× raw', 'load'];
}

function row(columns: readonly string[]): string {
  return columns.map((text, index) => (index < 2 || index === 4 ? text.padEnd(index === 4 ? 13 : 9) : text.padStart(9))).join(' ');
}
