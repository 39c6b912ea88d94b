import type { Progress } from '../measure/bench.ts';

const WIDTH = 24;
const EVERY_MS = 100;

interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A line that is drawn anew on a terminal; elsewhere only notes are written. */
export function progressBar(terminal: Terminal, monotonic: () => number): Progress & { clear(): void } {
  const began = monotonic();
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn = '';
  const clear = () => {
    if (terminal.isTTY === true) terminal.write('\r\u001b[K');
  };
  return {
    clear,
    at(done, of, what) {
      if (terminal.isTTY !== true) return;
      const now = monotonic();
      const whole = what !== drawn || done >= of;
      if (!whole && now - drawnAt < EVERY_MS) return;
      [drawnAt, drawn] = [now, what];
      const filled = of <= 0 ? WIDTH : Math.min(WIDTH, Math.round((WIDTH * done) / of));
      const bar = `${'█'.repeat(filled)}${'·'.repeat(WIDTH - filled)}`;
      terminal.write(`\r\u001b[K${bar} ${Math.floor(done)}/${of} ${what}, ${Math.round((now - began) / 1_000)} s`);
    },
    note(line) {
      clear();
      terminal.write(`${line}\n`);
    },
  };
}
