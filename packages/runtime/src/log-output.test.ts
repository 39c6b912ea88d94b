import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

/** A process of its own that logs: `code` has `log`, `metrics` and `config`. */
function logging(code: string, config: object = {}) {
  const module = new URL('../dist/index.js', import.meta.url).href;
  const script = `
    const { createLogger, createMetrics, standardOutput } = await import(${JSON.stringify(module)});
    const metrics = createMetrics('test', { ofProcess: false });
    const config = { level: 'info', flushMs: 60_000, bufferBytes: 1_000_000, exitWaitMs: 60_000, ...${JSON.stringify(config)} };
    const log = createLogger('test', 'info', standardOutput(config, metrics));
    ${code}`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

const eventsIn = (output: string): readonly string[] =>
  output
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg);

async function outputOf(child: ReturnType<typeof logging>): Promise<string> {
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await once(child, 'close');
  return output;
}

test('every line is there when the process exits by itself, in the order of the events', async () => {
  const output = await outputOf(logging(`for (let index = 0; index < 500; index++) log.info({}, 'event ' + index); process.exit(3);`));
  expect(eventsIn(output)).toEqual(Array.from({ length: 500 }, (_, index) => `event ${index}`));
});

test('a warning is written at once, with what came before it', async () => {
  const child = logging(`log.info({}, 'first'); log.warn({}, 'second'); log.info({}, 'third'); setInterval(() => {}, 60_000);`);
  const [text] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  child.kill('SIGKILL'); // the third waits for its time, and is lost
  expect(eventsIn(text)).toEqual(['first', 'second']);
});

test('an event by itself is written when its time has come', async () => {
  const child = logging(`log.info({}, 'alone'); setInterval(() => {}, 60_000);`, { flushMs: 20 });
  const [text] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  child.kill('SIGKILL');
  expect(eventsIn(text)).toEqual(['alone']);
});

test('what nobody reads is dropped above the bound and counted, and holds up nothing', async () => {
  const child = logging(
    `const text = 'x'.repeat(1_000);
     for (let index = 0; index < 3_000; index++) log.info({ text }, 'event');
     const { values } = await metrics.getSingleMetric('kilonova_log_lines_dropped_total').get();
     console.error(values[0].value);
     setInterval(() => {}, 60_000);`,
    { bufferBytes: 100_000 },
  );
  const [text] = (await once(child.stderr.setEncoding('utf8'), 'data')) as [string];
  child.kill('SIGKILL');
  // The bound, and what a pipe takes: nothing was read.
  expect(Number(text)).toBeGreaterThan(2_500);
  expect(Number(text)).toBeLessThan(3_000);
});

test.each([
  { title: 'has gone', leave: (child: ReturnType<typeof logging>) => void child.stdout.destroy() },
  { title: 'takes nothing', leave: () => undefined },
])('a reader that $title does not keep the process from its end', async ({ leave }) => {
  const child = logging(
    `console.error('begun');
     process.stdin.resume().once('end', () => {
       for (let index = 0; index < 1_000; index++) log.info({ text: 'x'.repeat(1_000) }, 'event');
       process.exit(3);
     });`,
    { exitWaitMs: 200, flushMs: 1 },
  );
  await once(child.stderr, 'data');
  leave(child);
  child.stdin.end();
  expect(await once(child, 'exit', { signal: AbortSignal.timeout(20_000) })).toEqual([3, null]);
});
