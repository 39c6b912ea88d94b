import type { HostRequest } from '@kilonova/objects';
import type { Candidates, ClassTest, HostFilter, RequestTest, RowTest } from '../filter.ts';

interface Compiled {
  readonly filter: HostFilter;
  readonly test: RowTest;
}

/** The filters of one request, by what they look at. */
export interface CompiledFilters {
  /** All, in the operator's order. */
  readonly all: readonly Compiled[];
  /** Equal for requests that the same hosts fit, but for what they have alone. */
  readonly classKey: string;
  /** True for a host that all class tests let pass. */
  readonly fits: RowTest;
  readonly ofRequest: readonly RequestTest[];
}

const isOfClass = (compiled: ClassTest | RequestTest): compiled is ClassTest => compiled.classKey !== undefined;

export function compileFilters(filters: readonly HostFilter[], request: HostRequest, candidates: Candidates): CompiledFilters {
  const { hosts } = candidates;
  const all: Compiled[] = [];
  const keys: string[] = [];
  const ofClass: RowTest[] = [];
  const ofRequest: RequestTest[] = [];
  for (const filter of filters) {
    const compiled = filter.compile(request, candidates);
    if (compiled === undefined) continue;
    all.push({ filter, test: compiled.test });
    if (isOfClass(compiled)) {
      keys.push(compiled.classKey);
      ofClass.push(compiled.test);
    } else ofRequest.push(compiled);
  }
  const fits = (row: number) => {
    if (hosts.at(row) === undefined) return false;
    for (const test of ofClass) if (!test(row)) return false;
    return true;
  };
  return { all, classKey: keys.join('\n'), fits, ofRequest };
}
