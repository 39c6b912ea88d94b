// The contract that the behaviour of transports is tried with.
import { call, cast, defineContract, Empty, Exclude, Expose, fanout, stream } from '../index.ts';

@Exclude()
export class Text {
  @Expose() text!: string;
  @Expose({ since: 2 }) tone = 'plain';
}

@Exclude()
export class Count {
  @Expose() count!: number;
}

@Exclude()
export class Wait {
  @Expose() ms!: number;
}

@Exclude()
export class Seen {
  @Expose() caller!: string;
  @Expose() requestId!: string;
  @Expose() remainingMs!: number;
  @Expose() version!: string;
}

export const echoContract = (topic: string, version = '1.2') =>
  defineContract({
    topic,
    version,
    methods: {
      echo: call({ since: '1.0', request: Text, response: Text }),
      fail: call({ since: '1.0', request: Text, response: Empty }),
      hang: call({ since: '1.0', request: Wait, response: Empty }),
      repeatable: call({ since: '1.0', request: Wait, response: Count, idempotent: true }),
      look: call({ since: '1.0', request: Empty, response: Seen }),
      note: cast({ since: '1.0', request: Text }),
      news: fanout({ since: '1.0', request: Text }),
      list: stream({ since: '1.0', request: Count, item: Text }),
      ...(version === '1.0' || version === '1.1' ? {} : newer),
    } as const,
  });

/** Methods that came with 1.2. */
const newer = { shout: call({ since: '1.2', request: Text, response: Text }) };

export type EchoContract = ReturnType<typeof echoContract>;
