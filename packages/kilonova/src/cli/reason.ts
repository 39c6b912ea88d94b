/** The innermost cause says most; an AggregateError (a name with two addresses) has only its parts. */
export function reasonOf(error: unknown): string {
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
