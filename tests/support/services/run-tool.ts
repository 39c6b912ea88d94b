import { spawn } from 'node:child_process';

export interface ToolOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What the program wrote on standard output. Throws with its words when it fails or takes too long. */
export function runTool(
  program: string,
  args: readonly string[],
  { env, input, timeoutMs = 60_000, signal }: ToolOptions = {},
): Promise<string> {
  return new Promise((settle, reject) => {
    const child = spawn(program, args, { ...(env && { env }), ...(signal && { signal }), timeout: timeoutMs, killSignal: 'SIGKILL' });
    let output = '';
    let complaint = '';
    child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (complaint += piece.toString()));
    child.stdin.on('error', () => undefined); // told by the exit code
    child.stdin.end(input ?? '');
    child.once('error', (cause) => reject(new Error(`cannot run ${program}: ${cause.message}`, { cause })));
    child.once('close', (code, by) => {
      if (code === 0) settle(output);
      else reject(new Error(`${program} ${args.join(' ')} ended with ${by ?? code}: ${`${complaint}\n${output}`.trim().slice(-2_000)}`));
    });
  });
}
