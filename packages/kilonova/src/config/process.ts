import { integer, section } from '@kilonova/runtime';

export const processSection = section('process', {
  graceMs: integer(30_000, { min: 100, max: 600_000, help: 'The longest a graceful stop may take after SIGTERM.' }),
  workerRestartMinMs: integer(100, {
    min: 10,
    help: 'First wait before another worker takes the place of one that ended (api.workers, conductor.workers); doubles with each that does not last.',
  }),
  workerRestartMaxMs: integer(10_000, {
    min: 10,
    help: 'Longest wait of that kind, and how long a worker has to last for the first one again.',
  }),
  workerSignMs: integer(2_000, { min: 10, help: 'How often workers are asked for a sign of life.' }),
  workerSilentMs: integer(30_000, { min: 100, help: 'A worker that gives none for so long is ended, and another one takes its place.' }),
});
