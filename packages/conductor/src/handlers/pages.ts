/** A page's size: what was asked for, within what is allowed. */
export const pageLimit = (asked: number, most: number): number => Math.max(0, Math.min(asked, most));

/**
 * The same of rows that are made into something first, piece by piece: others have their turn in between, for a page of a
 * thousand servers takes longer than a whole request of another kind.
 */
export async function* madePieces<Row, Made>(
  rows: readonly Row[],
  size: number,
  make: (row: Row) => Made,
): AsyncGenerator<readonly Made[]> {
  let first = true;
  for (const piece of pieces(rows, size)) {
    if (!first) await nextTurn();
    first = false;
    yield piece.map(make);
  }
}

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Cuts a page into the pieces that travel, so that no event loop encodes it all at once. */
export function* pieces<T>(rows: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
}
