/** A page's size: what was asked for, within what is allowed. */
export const pageLimit = (asked: number, most: number): number => Math.max(0, Math.min(asked, most));

/** Cuts a page into the pieces that travel, so that no event loop encodes it all at once. */
export function* pieces<T>(rows: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
}
