// The load of one client process: the same loop for every peer written in JavaScript.
import { createInterface } from 'node:readline';
import type { Cell, Sent } from './cell.ts';

/** Before measuring, as a part of the measured time. */
const WARM = 0.3;

const say = (type: string, fields: object = {}) => process.stdout.write(`${JSON.stringify({ type, ...fields })}\n`);

export const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** Measures each cell that standard input names. `sender` gives what sends one message and settles when it is done. */
export function takeOrders(sender: (cell: Cell) => () => Promise<unknown>): void {
  createInterface(process.stdin).on('line', (line) => {
    const cell = JSON.parse(line) as Cell;
    void measure(cell, sender(cell)).then(
      (sent) => say('end', sent),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.stdin.on('end', () => process.exit(0));
  say('ready');
}

/** Answers each line on standard input with what was handled so far. */
export function reportHandled(count: () => number): void {
  createInterface(process.stdin).on('line', () => say('handled', { count: count(), cpuUs: cpuUs() }));
  process.stdin.on('end', () => process.exit(0));
  say('ready');
}

async function measure(cell: Cell, send: () => Promise<unknown>): Promise<Sent> {
  let running = true;
  let waits: number[] = [];
  const one = async () => {
    while (running) {
      const start = performance.now();
      await send();
      waits.push(performance.now() - start);
    }
  };
  const all = Promise.all(Array.from({ length: cell.concurrency }, one));
  await pause(cell.milliseconds * WARM);
  waits = [];
  say('begin');
  const cpu = cpuUs();
  const start = performance.now();
  await pause(cell.milliseconds);
  const seconds = (performance.now() - start) / 1_000;
  const used = cpuUs() - cpu;
  const measured = waits;
  running = false;
  await all;
  measured.sort((one_, other) => one_ - other);
  const at = (share: number) => measured[Math.min(measured.length - 1, Math.floor(measured.length * share))] ?? Number.NaN;
  return { count: measured.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99), cpuUs: used };
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
