import { execFileSync } from 'node:child_process';
import type { Member } from './cloud.ts';

/** The workers of an api or a conductor, by their process ids; none for one that does its work itself. */
export const workersOf = ({ process: { pid } }: Pick<Member, 'process'>): readonly number[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
