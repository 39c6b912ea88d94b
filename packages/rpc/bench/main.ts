// npm run bench -w packages/rpc -- [--op call,cast] [--queue classic,quorum] [--bytes 200,4096,65536]
//   [--concurrency 1,32,256] [--peers raw,kilonova,codec,oslo] [--seconds 1] [--rounds 5] [--json]
// Without options: all 36 cells in about 13 minutes, which are cells x peers x rounds x 1.4 seconds. For a look:
//   npm run bench -w packages/rpc -- --op call --queue classic --bytes 200 --concurrency 1,32 --peers raw,kilonova
//
// Client and server are processes of their own, on one broker. The peers take turns within each round, and a ratio is
// taken within its round: on a machine with other work the ratios and the CPU times mean something, single rates do not.
// Each row gives the medians of the rounds: messages per second that went through, waiting times as the caller sees them,
// microseconds of CPU per message of client, server and broker, calls/s against raw, and the machine's load. After the
// last cell each goal of goals.ts is held against the cells that it is about. With --json a line for each row, and one
// with `verdict` for each goal and cell.
//
// The peers: raw (amqplib by hand), kilonova (this library as it is by default), codec (it in the wire format of
// oslo.messaging), oslo (oslo.messaging itself, left out where Python has none), raw-like-ours (raw with what this library
// asks of the broker: exchanges, queues with limits, the validated sender, an expiration; only when named).
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brokerCpu } from './broker-process.ts';
import type { Cell } from './cell.ts';
import { judge, median, type Verdict } from './goals.ts';
import { Peer, type Outcome } from './peer.ts';

const { values } = parseArgs({
  options: {
    op: { type: 'string', default: 'call,cast' },
    queue: { type: 'string', default: 'classic,quorum' },
    bytes: { type: 'string', default: '200,4096,65536' },
    concurrency: { type: 'string', default: '1,32,256' },
    peers: { type: 'string', default: 'raw,kilonova,codec,oslo' },
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const PYTHON = '/usr/bin/python3';
const FLOOR = 'raw';
/** Not counted: compilers and connections get warm. */
const WARMING: Cell = { op: 'call', queue: 'classic', bytes: 200, concurrency: 32, milliseconds: 1_000 };
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
  for (const peer of peers) await peer.measure(WARMING, cpu);
  if (!values.json) console.log(row(headings()));
  const verdicts: Verdict[] = [];
  for (const cell of cells()) verdicts.push(...(await measure(cell, cpu)));
  tell(verdicts);
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

async function measure(cell: Cell, cpu: () => number): Promise<readonly Verdict[]> {
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
  return judge(cell, rounds);
}

function tell(verdicts: readonly Verdict[]): void {
  if (values.json) {
    for (const { cell, ...verdict } of verdicts) console.log(JSON.stringify({ verdict, ...cell }));
    return;
  }
  if (verdicts.length > 0) console.log('\nGoals');
  for (const { goal, cell, measured, wanted, met } of verdicts) {
    const where = `${cell.op} ${cell.queue} ${cell.bytes} B at ${cell.concurrency}`;
    console.log(`${met ? 'met   ' : 'MISSED'} ${where.padEnd(32)} ${goal.padEnd(58)} ${measured.toFixed(2).padStart(10)} ${wanted}`);
  }
}

function headings() {
  return ['op', 'queue', 'bytes', 'c', 'peer', 'per s', 'p50 ms', 'p99 ms', 'client µs', 'server µs', 'broker µs', '× raw', 'load'];
}

function row(columns: readonly string[]): string {
  return columns.map((text, index) => (index < 2 || index === 4 ? text.padEnd(index === 4 ? 13 : 9) : text.padStart(9))).join(' ');
}
