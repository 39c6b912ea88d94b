import { routeWord } from '../contract/lane.ts';
import type { Address, Transport } from '../transport.ts';

const tables = new WeakMap<Transport, Set<string>>();

const nameOf = (address: Address) => {
  if (address.kind === 'fanout') return `fanout ${address.topic}`;
  return address.kind === 'server' ? `server ${routeWord(address)} ${address.server}` : `topic ${routeWord(address)}`;
};

/**
 * Claims addresses for one server: two of one process would take each other's messages off the same queue. The returned
 * function gives them free.
 *
 * @throws TypeError when one is taken.
 */
export function claim(transport: Transport, addresses: readonly Address[]): () => void {
  let taken = tables.get(transport);
  if (taken === undefined) tables.set(transport, (taken = new Set()));
  const names = addresses.map(nameOf);
  for (const [index, name] of names.entries()) {
    if (!taken.has(name)) continue;
    const { topic } = addresses[index] as Address;
    throw new TypeError(
      `${topic} is served on this transport already: give several contracts of a topic to one serve(transport, [endpoint(...), endpoint(...)])`,
    );
  }
  for (const name of names) taken.add(name);
  return () => names.forEach((name) => taken.delete(name));
}
