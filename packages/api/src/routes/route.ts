import type { Api } from '../api.ts';
import type { ApiRequest, Reply } from '../http/request.ts';
import type { Microversion } from '../microversion/microversion.ts';

/** One call of the API as data: where it is, since and until when, what it answers, who may make it, and who answers. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the version, with parameters in braces, as in the contract's table. */
  readonly path: string;
  /** The key of the body, for paths that end in /action. */
  readonly action?: string;
  /** First and last microversion; all when left out. */
  readonly from?: Microversion;
  readonly to?: Microversion;
  /** Status of a success; pairs of first microversion and status where it changed. */
  readonly success: number | readonly (readonly [Microversion, number])[];
  /** Policies that are decided without a row, all demanded before the handler runs. */
  readonly policies?: readonly string[];
  /** The policy that is decided once the row was found: the conductor gets it with the scope. */
  readonly rowPolicy?: string;
  readonly handle: (api: Api, request: ApiRequest, route: Route) => Promise<object | Reply | undefined>;
}

export function successOf({ success }: Route, version: Microversion): number {
  if (typeof success === 'number') return success;
  return success.findLast(([from]) => from <= version)?.[1] ?? 200;
}

export const isOpen = ({ from = 1, to = Infinity }: Route, version: Microversion): boolean => from <= version && version <= to;
