import { jsonOf, quoted } from '../http/json-text.ts';
import type { Links } from '../http/links.ts';
import type { ApiRequest } from '../http/request.ts';
import type { Api } from '../api.ts';
import type { Microversion } from '../microversion/microversion.ts';

/** What decides how a thing is shown. */
export interface View {
  readonly version: Microversion;
  readonly links: Links;
  /** A policy that hides fields, for this caller. */
  readonly may: (policy: string) => boolean;
}

/** One field of an answer: there from the first to the last microversion, and only when `show` gives a value. */
export interface Field<T> {
  readonly name: string;
  readonly from?: Microversion;
  readonly to?: Microversion;
  readonly show: (item: T, view: View) => unknown;
}

export function render<T>(fields: readonly Field<T>[], item: T, view: View): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const { name, from = 1, to = Infinity, show } of fields) {
    if (view.version < from || view.version > to) continue;
    const value = show(item, view);
    if (value !== undefined) shown[name] = value;
  }
  return shown;
}

interface Part<T> {
  /** The name in quotes with its colon, behind the brace as the first field, and behind a comma as a later one. */
  readonly first: string;
  readonly later: string;
  readonly show: Field<T>['show'];
}

/** Lists of fields are few and made once; so are microversions. */
const compiled = new WeakMap<readonly object[], Map<Microversion, readonly Part<never>[]>>();

function partsOf<T>(fields: readonly Field<T>[], version: Microversion): readonly Part<T>[] {
  let byVersion = compiled.get(fields);
  if (byVersion === undefined) compiled.set(fields, (byVersion = new Map()));
  let parts = byVersion.get(version);
  if (parts === undefined) {
    const open = fields.filter(({ from = 1, to = Infinity }) => from <= version && version <= to);
    byVersion.set(version, (parts = open.map(({ name, show }) => ({ first: `{${quoted(name)}:`, later: `,${quoted(name)}:`, show }))));
  }
  return parts as readonly Part<T>[];
}

/** What `render` shows, as JSON, without an object in between: for long lists. */
export function written<T>(fields: readonly Field<T>[], item: T, view: View): string {
  let text = '';
  for (const { first, later, show } of partsOf(fields, view.version)) {
    const value = show(item, view);
    if (value !== undefined) text += (text === '' ? first : later) + jsonOf(value);
  }
  return text === '' ? '{}' : `${text}}`;
}

/** Policies are asked once per request, not once per row. */
export function viewOf(api: Api, request: ApiRequest): View {
  const known = new Map<string, boolean>();
  return {
    version: request.version,
    links: request.links,
    may(policy) {
      const answer = known.get(policy) ?? api.policy.allows(policy, request.caller);
      known.set(policy, answer);
      return answer;
    },
  };
}

/**
 * The view with a key: views of the same key show each thing alike. So it answers no policy that the key does not say.
 *
 * @param policies all that the thing's fields ask for
 */
export function keyedView({ version, links, may }: View, policies: readonly string[]): { readonly key: string; readonly view: View } {
  const answers = new Map(policies.map((policy) => [policy, may(policy)]));
  const answer = (policy: string) => {
    const known = answers.get(policy);
    if (known === undefined) throw new Error(`${policy} decides about a field and is not among the policies of the view's key`);
    return known;
  };
  const key = [version, [...answers.values()].map(Number).join(''), links.key].join(' ');
  return { key, view: { version, links, may: answer } };
}
