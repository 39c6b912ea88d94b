import { serve, ServiceError, type Server, type Transport } from '@kilonova/rpc';
import { stockContract } from './contract.js';

/** Answers for what is on the shelf, over any transport. */
export function serveStock(transport: Transport, onShelf: Map<string, number>, say: (line: string) => void): Promise<Server> {
  return serve(transport, stockContract, {
    reserve(context, { item, count, note }) {
      const left = (onShelf.get(item) ?? 0) - count;
      if (left < 0) throw new ServiceError('sold_out', `no ${count} of ${item} left`, { item });
      onShelf.set(item, left);
      say(`${context.caller} took ${count} of ${item}${note === null ? '' : ` (${note})`}`);
      return { left };
    },
    putBack(_context, { item, count }) {
      onShelf.set(item, (onShelf.get(item) ?? 0) + count);
      say(`${count} of ${item} came back`);
    },
    *list() {
      yield [...onShelf].map(([item, count]) => ({ item, count, note: null }));
    },
  });
}
