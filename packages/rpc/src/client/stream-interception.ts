/**
 * A stream with interceptors around it: they run when the reader asks for the first piece, and their `next` settles when
 * the stream has ended, or its reader left. Items pass them by; an interceptor may put another error in the place of one,
 * but a stream that broke never looks like one that ended.
 */
export async function* interceptStream<Item>(
  around: (last: () => Promise<unknown>) => Promise<unknown>,
  open: () => AsyncIterable<readonly Item[]>,
): AsyncGenerator<readonly Item[]> {
  let begin: (stream: AsyncIterable<readonly Item[]> | undefined) => void = () => undefined;
  const begun = new Promise<AsyncIterable<readonly Item[]> | undefined>((resolve) => {
    begin = resolve;
  });
  let end: (failure?: { readonly error: unknown }) => void = () => undefined;
  const over = new Promise<void>((resolve, reject) => {
    end = (failure) => (failure === undefined ? resolve() : reject(failure.error));
  });
  over.catch(() => undefined);
  const done = around(() => {
    begin(open());
    return over;
  });
  // Refused, or answered without the stream: there is nothing to wait for.
  const nothing = () => begin(undefined);
  done.then(nothing, nothing);
  let failure: { readonly error: unknown } | undefined;
  try {
    const stream = await begun;
    if (stream !== undefined) yield* stream;
  } catch (error) {
    failure = { error };
  } finally {
    end(failure); // also when the reader leaves, which ends this function here
  }
  await done;
  if (failure !== undefined) throw failure.error;
}
