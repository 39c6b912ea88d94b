import type { HostState } from '@kilonova/objects';

/** The smallest number that an aggregate of the host gives under this key; undefined when none gives one. */
export function smallestOfAggregates(host: HostState, key: string): number | undefined {
  let smallest: number | undefined;
  for (const { metadata } of host.aggregates) {
    const text = metadata[key];
    if (text === undefined || text.trim() === '') continue;
    const number = Number(text);
    if (!Number.isNaN(number) && (smallest === undefined || number < smallest)) smallest = number;
  }
  return smallest;
}
