/** Errors within errors that are shown. */
const MOST_CAUSES = 3;

/**
 * What a log may have of something thrown: class, code, message, stack and causes. Whatever else hangs on it stays away:
 * details of the application's errors, and rows, parameters or answers that other libraries attach, are contents.
 */
export function loggedError(thrown: unknown, causes = MOST_CAUSES): Error {
  if (!(thrown instanceof Error)) return new Error(`a ${thrown === null ? 'null' : typeof thrown} was thrown`);
  const { name, message, stack, cause } = thrown;
  const shown = new Error(message, cause instanceof Error && causes > 0 ? { cause: loggedError(cause, causes - 1) } : undefined);
  const code: unknown = 'code' in thrown ? thrown.code : undefined;
  Object.defineProperties(shown, { name: { value: name, enumerable: false }, stack: { value: stack, enumerable: false } });
  return typeof code === 'string' || typeof code === 'number' ? Object.assign(shown, { code }) : shown;
}
