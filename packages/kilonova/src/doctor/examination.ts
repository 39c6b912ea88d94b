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

/** The innermost cause says most; an AggregateError (a name with two addresses) has only its parts. */
function reasonOf(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) {
    const message =
      current instanceof AggregateError && current.message === ''
        ? current.errors.map((one) => (one as Error).message).join(', ')
        : current.message;
    if (message !== '' && !messages.some((known) => known.includes(message))) messages.push(message);
  }
  return messages.join(': ') || String(error);
}
