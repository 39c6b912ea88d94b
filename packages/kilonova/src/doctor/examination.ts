import { reasonOf } from '../cli/reason.ts';

export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly says: string;
}

/** Runs one check: what it returns is good news, what it throws is what is wrong. */
export async function examine(what: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { what, ok: true, says: await check() };
  } catch (error) {
    return { what, ok: false, says: reasonOf(error) };
  }
}
