import { askHttp } from '@kilonova/runtime';

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 262_144;

/** Asks the identity service for its version. Throws what is wrong. */
export async function examineIdentity({ url }: { readonly url: string }): Promise<string> {
  const answer = await askHttp(url, { signal: AbortSignal.timeout(TIMEOUT_MS), maxAnswerBytes: MAX_ANSWER_BYTES });
  if (answer.status >= 400) throw new Error(`${url} answers with status ${answer.status}`);
  return `${url} answers`;
}
