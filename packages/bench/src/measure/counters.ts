/**
 * What the control plane counts of itself: SQL statements and messages, read from /metrics of its processes. Signs of life
 * and readings of lists are told apart, so that what is left belongs to the work.
 */
import { askHttp, type Clock } from '@kilonova/runtime';

const ANSWER_MS = 10_000;
const MAX_ANSWER_BYTES = 16 * 1_048_576;
/** How long the control plane is watched at rest. */
const REST_MS = 2_000;
const LISTS = 10;

const STATEMENTS = 'kilonova_database_statements_total';
/** What was sent; the answer to a call is not counted a second time. */
const SENT = /^kilonova_rpc_(calls|casts|fanouts|streams)_total$/;
/** Signs of life, and readings by clients. */
const NOT_WORK = new Set([
  'heartbeat',
  'serviceHeartbeat',
  'register',
  'reportDomains',
  'hostReturn',
  'getHostDigest',
  'listHostStates',
  'listServers',
  'listServerRevisions',
  'getServer',
  'listServices',
]);

export interface Counts {
  readonly statements: number;
  readonly messages: number;
}

/** What the control plane does without any work, and what one list of servers costs it. */
export interface Rest {
  readonly statementsPerS: number;
  readonly statementsPerList: number;
}

/** Sums over all processes. @throws Error when one of them does not answer */
export async function readCounts(urls: readonly string[]): Promise<Counts> {
  const texts = await Promise.all(
    urls.map(async (url) => {
      const { status, text } = await askHttp(url, { signal: AbortSignal.timeout(ANSWER_MS), maxAnswerBytes: MAX_ANSWER_BYTES });
      if (status !== 200) throw new Error(`${url} answers with ${status}, expected 200 and metrics`);
      return text;
    }),
  );
  return countsIn(texts);
}

/** @param texts in Prometheus' format */
export function countsIn(texts: readonly string[]): Counts {
  let [statements, messages] = [0, 0];
  for (const text of texts)
    for (const line of text.split('\n')) {
      const match = /^([a-z_]+)(?:\{(.*)\})? ([0-9.e+]+)$/.exec(line);
      if (match === null) continue;
      const [, name = '', labels = '', value] = match;
      if (name === STATEMENTS) statements += Number(value);
      if (SENT.test(name) && !NOT_WORK.has(/(?:^|,)method="([^"]*)"/.exec(labels)?.[1] ?? '')) messages += Number(value);
    }
  return { statements, messages };
}

/** @param list asks for one list of servers, as the waiting does */
export async function measureRest(urls: readonly string[], clock: Clock, list: () => Promise<unknown>): Promise<Rest> {
  const at = async () => ({ counts: await readCounts(urls), ms: clock.monotonic() });
  const first = await at();
  await clock.sleep(REST_MS);
  const second = await at();
  for (let asked = 0; asked < LISTS; asked += 1) await list();
  const third = await at();
  const statementsPerS = ((second.counts.statements - first.counts.statements) * 1_000) / (second.ms - first.ms);
  const ofLists = third.counts.statements - second.counts.statements - (statementsPerS * (third.ms - second.ms)) / 1_000;
  return { statementsPerS, statementsPerList: Math.max(0, Math.round(ofLists / LISTS)) };
}
