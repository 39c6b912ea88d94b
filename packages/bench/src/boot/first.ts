import type { FirstWork } from '../cases/case.ts';
import { removeServers } from '../cloud/removal.ts';
import { createServer, freshPrefix } from '../cloud/servers.ts';
import type { CloudTarget } from '../cloud/target.ts';
import type { Bench, Measured } from '../measure/bench.ts';
import { ErrorTally } from '../measure/errors.ts';
import { stateOf } from './single.ts';

const REMOVAL_LIMIT_MS = 30_000;

/** Tries until a server is ACTIVE; times count from the start of this process. What fails on the way is no error. */
export async function runFirst(work: FirstWork, bench: Bench, openCloud: () => Promise<CloudTarget>): Promise<Measured> {
  const { clock, signal, progress } = bench;
  const errors = new ErrorTally();
  const prefix = freshPrefix(bench.random);
  const processSeconds = () => performance.now() / 1_000;
  let answersAt: number | undefined;
  let last: unknown;
  for (let tries = 1; !signal.aborted; tries += 1) {
    progress.at(tries, tries, 'tries');
    try {
      const { cloud, recipe } = await openCloud();
      answersAt ??= processSeconds();
      const id = await createServer(cloud, recipe, `${prefix}${tries}`, { signal });
      let state = await stateOf(cloud, id, signal);
      while (state !== 'ACTIVE' && state !== 'ERROR') {
        await clock.sleep(work.tickMs, signal);
        state = await stateOf(cloud, id, signal);
      }
      const activeAt = processSeconds();
      await removeServers({ ...bench, cloud, errors, prefix, concurrency: 4, tickMs: 100, limitMs: REMOVAL_LIMIT_MS });
      if (state === 'ERROR') throw new Error('the first server went to ERROR');
      return {
        figures: { api_answers_s: answersAt, first_active_s: activeAt, tries, errors: errors.count },
        errors,
        cpu: {},
        notes: ['seconds since the start of this command: start it together with the cloud'],
      };
    } catch (error) {
      last = error;
      await clock.sleep(work.tickMs, signal).catch(() => undefined);
    }
  }
  throw new Error(`no server became ACTIVE: ${last instanceof Error ? last.message : String(last)}`, { cause: last });
}
