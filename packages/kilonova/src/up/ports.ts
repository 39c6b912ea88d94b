import { createServer } from 'node:net';
import { UsageError } from '../cli/command.ts';

export interface WantedPort {
  /** What will listen: `the compute API`. */
  readonly what: string;
  readonly port: number;
  /** How to choose another: `--compute-port`. */
  readonly option: string;
}

/** Throws one error that names every port that cannot be had, and the option that moves it. Leaves nothing bound. */
export async function requireFreePorts(host: string, wanted: readonly WantedPort[]): Promise<void> {
  const problems: string[] = [];
  for (const { what, port, option } of wanted) {
    const code = await bindError(host, port);
    if (code !== undefined)
      problems.push(
        `port ${port} of ${host}, which ${what} wants, ${code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be had (${code})`}: choose another with ${option}`,
      );
  }
  const [first, ...others] = problems;
  if (first === undefined) return;
  throw new Error(`${[first, ...others].join('\n')}\n(--port-offset N moves all ports by N)`);
}

/** Throws UsageError when two listeners were given the same port. */
export function requireDistinct(wanted: readonly WantedPort[]): void {
  for (const [index, one] of wanted.entries()) {
    const same = wanted.slice(0, index).find((other) => other.port === one.port && one.port !== 0);
    if (same !== undefined) throw new UsageError(`${same.option} and ${one.option} name the same port ${one.port}`);
  }
}

const bindError = (host: string, port: number) =>
  new Promise<string | undefined>((settle) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    probe.listen(port, host, () => probe.close(() => settle(undefined)));
  });
