const TIMEOUT_MS = 5_000;

/** Asks the identity service for its version. Throws what is wrong. */
export async function examineIdentity({ url }: { readonly url: string }): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' });
  if (answer.status >= 400) throw new Error(`${url} answers with status ${answer.status}`);
  return `${url} answers`;
}
