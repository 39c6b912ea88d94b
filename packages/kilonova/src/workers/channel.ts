import cluster from 'node:cluster';
import type { Health } from '@kilonova/runtime';

/** What the parent of a worker asks it for; `sign` is a sign of life. */
export type Wanted = 'sign' | 'health' | 'metrics';

export interface Question {
  readonly kilonova: 'question';
  readonly id: number;
  readonly wanted: Wanted;
}

export interface Told {
  readonly health?: Health;
  /** In Prometheus' format. */
  readonly metrics?: string;
}

export interface Answer {
  readonly kilonova: 'answer';
  readonly id: number;
  /** Undefined: it could not be told, see `failed`. */
  readonly told?: Told;
  readonly failed?: string;
}

/** Says to a worker which of them it is. */
export const WORKER_NUMBER = 'WORKER_NUMBER';

/** The place of this process among the workers of its parent, from 1; undefined for one that is nobody's worker. */
export const workerNumber = (): string | undefined => (cluster.isWorker ? process.env[WORKER_NUMBER] : undefined);

export interface Answering {
  health(): Promise<Health>;
  metrics(): Promise<string>;
}

/** A worker has no port for probes: its parent asks it over the channel between them, and answers for all. */
export function answerParent(answering: Answering): void {
  process.on('message', (message: Partial<Question> | null) => {
    if (message?.kilonova !== 'question') return;
    const { id, wanted } = message as Question;
    void tell(answering, wanted).then(
      (told) => send({ kilonova: 'answer', id, told }),
      (error: unknown) => send({ kilonova: 'answer', id, failed: (error as Error).message }),
    );
  });
}

async function tell(answering: Answering, wanted: Wanted): Promise<Told> {
  if (wanted === 'health') return { health: await answering.health() };
  if (wanted === 'metrics') return { metrics: await answering.metrics() };
  return {};
}

/** A parent that is gone hears nothing, and its worker ends. */
const send = (answer: Answer) => {
  if (process.connected) process.send?.(answer, undefined, undefined, () => undefined);
};
