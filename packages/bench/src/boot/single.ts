import type { SingleWork } from '../cases/case.ts';
import type { Cloud } from '../cloud/cloud.ts';
import { ensureQuota } from '../cloud/quota.ts';
import { removeServers } from '../cloud/removal.ts';
import { createServer, deleteServer, freshPrefix } from '../cloud/servers.ts';
import type { CloudTarget } from '../cloud/target.ts';
import { withCpu, type Bench, type Measured } from '../measure/bench.ts';
import { ErrorTally } from '../measure/errors.ts';
import { distribution } from '../measure/percentiles.ts';

/** One server after the other: what a boot and a delete take when nothing else happens. */
export async function runSingle(work: SingleWork, bench: Bench, { cloud, recipe, liftQuota }: CloudTarget): Promise<Measured> {
  const { clock, signal, progress } = bench;
  const errors = new ErrorTally();
  const prefix = freshPrefix(bench.random);
  const restoreQuota = await ensureQuota(cloud, 1, liftQuota);
  const [createMs, activeMs, deleteMs, goneMs]: number[][] = [[], [], [], []];
  const since = (moment: number) => clock.monotonic() - moment;
  /** Asks every tick until the server is in one of these states. */
  const untilIn = async (id: string, states: readonly string[]): Promise<string> => {
    for (;;) {
      const state = await stateOf(cloud, id, signal);
      if (states.includes(state)) return state;
      await clock.sleep(work.tickMs, signal);
    }
  };
  try {
    const { cpu } = await withCpu(bench, async () => {
      for (let index = 0; index < work.servers && !signal.aborted; index += 1) {
        try {
          const asked = clock.monotonic();
          const id = await createServer(cloud, recipe, `${prefix}${index}`);
          createMs!.push(since(asked));
          const state = await untilIn(id, ['ACTIVE', 'ERROR']);
          if (state === 'ERROR') throw new Error('a server went to ERROR');
          activeMs!.push(since(asked));
          const deleted = clock.monotonic();
          await deleteServer(cloud, id);
          deleteMs!.push(since(deleted));
          await untilIn(id, ['gone']);
          goneMs!.push(since(deleted));
        } catch (error) {
          if (!signal.aborted) errors.add(error);
        }
        progress.at(index + 1, work.servers, 'servers to ACTIVE and gone');
      }
    });
    return {
      figures: {
        servers: activeMs!.length,
        ...distribution('create', createMs!),
        ...distribution('active', activeMs!),
        ...distribution('delete', deleteMs!),
        ...distribution('gone', goneMs!),
        errors: errors.count,
      },
      errors,
      cpu: { single: cpu },
      notes: [],
    };
  } finally {
    await removeServers({ ...bench, cloud, errors, prefix, concurrency: 4, tickMs: 50, limitMs: work.timeLimitSeconds * 1_000 });
    await restoreQuota();
  }
}

/** The status of a server as the API shows it, or `gone`. */
export async function stateOf(cloud: Cloud, id: string, signal: AbortSignal): Promise<string> {
  const { status, body } = await cloud.ask<{ server: { status: string } }>(`/servers/${id}`, { also: [404], signal });
  return status === 404 ? 'gone' : body.server.status;
}
