import { HostAnswers, schedulerContract } from '@kilonova/objects';
import { serve, type Server, type Transport } from '@kilonova/rpc';
import type { Scheduler } from './scheduler.ts';
import type { Snapshot } from './snapshot/snapshot.ts';

export const serveScheduler = (
  transport: Transport,
  scheduler: Pick<Scheduler, 'select'>,
  snapshot: Snapshot,
  options: { readonly concurrency: number },
): Promise<Server> =>
  serve(
    transport,
    schedulerContract,
    {
      selectDestinations: (_context, request) => scheduler.select(request),
      selectTogether: (_context, { requests }) =>
        Object.assign(new HostAnswers(), { answers: requests.map((request) => scheduler.select(request)) }),
      hostsChanged: (_context, change) => snapshot.note(change),
    },
    options,
  );
