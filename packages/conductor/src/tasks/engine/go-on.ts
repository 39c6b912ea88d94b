import { isUnavailable } from '../../db/unavailable.ts';

/** What is known of a commit. unknown: its answer got lost, and it may hold all the same. */
export type Commit = 'holds' | 'unknown';

/** Drives on what a transaction wrote. After an unknown commit only what the rows say counts. */
export type GoOn = (commit: Commit) => void;

/** Goes on after a commit also when its answer got lost, so that what it wrote is not looked at only as a stranded task. */
export async function goOnAfter<T>(commit: Promise<T>, goOn: GoOn): Promise<T> {
  try {
    const result = await commit;
    goOn('holds');
    return result;
  } catch (error) {
    if (isUnavailable(error)) goOn('unknown');
    throw error;
  }
}
