/** An option of a command: `--name`, or `--name VALUE` when `value` names what to give. */
export interface CommandOption {
  readonly help: string;
  /** In capitals, as help shows it: `FILE`. Without it the option is a switch. */
  readonly value?: string;
  readonly default?: string;
  /** May be given several times. */
  readonly repeated?: boolean;
}

export type CommandOptions = Readonly<Record<string, CommandOption>>;

/** What was typed: a switch is a boolean, an option its text, a repeated one a list. */
export interface Given {
  text(name: string): string | undefined;
  switch(name: string): boolean;
  all(name: string): readonly string[];
  /** A whole number; throws UsageError. */
  number(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined;
  readonly words: readonly string[];
}

export interface Command {
  /** One or two words: `db migrate`. */
  readonly name: string;
  readonly summary: string;
  /** More for `--help`, whole lines. */
  readonly details?: string;
  /** What stands after the options, for help: `[HOST ...]`; without it, nothing may. */
  readonly words?: string;
  readonly options: CommandOptions;
  /** Returns the exit code. */
  run(given: Given): Promise<number>;
}

/** The user typed something that cannot be meant: exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
