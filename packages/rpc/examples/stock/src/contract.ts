// What the two services say to each other.
import { call, cast, defineContract, Exclude, Expose, stream } from '@kilonova/rpc';

@Exclude()
export class Items {
  @Expose() item!: string;
  @Expose() count!: number;
  /** Came with 1.1: older peers neither send nor read it. */
  @Expose({ since: 1 }) note: string | null = null;
}

@Exclude()
export class Left {
  @Expose() left!: number;
}

@Exclude()
export class Shelf {
  @Expose() name!: string;
}

export const stockContract = defineContract({
  topic: 'stock',
  version: '1.1',
  methods: {
    /** Asks one server and waits: refused with `sold_out` when there is not enough. */
    reserve: call({ since: '1.0', request: Items, response: Left, timeoutMs: 2_000 }),
    /** Tells one server; done when the broker has it. */
    putBack: cast({ since: '1.0', request: Items }),
    /** Asks for an answer of any length, in pieces. */
    list: stream({ since: '1.1', request: Shelf, item: Items }),
  },
});
