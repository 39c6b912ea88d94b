// The contract that the behaviour of transports is tried with.
import { call, cast, defineContract, Empty, Exclude, Expose, fanout, stream, ServiceError, type Handlers } from '../index.ts';

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

export const text = (value: string) => Object.assign(new Text(), { text: value });
export const count = (value: number) => Object.assign(new Count(), { count: value });

/** Plain answers; `hang` waits until what it adds to `release` is called. `over` replaces some. */
export const echoHandlers = (release: Set<() => void>, over: Partial<Handlers<EchoContract>>): Handlers<EchoContract> => ({
  echo: (_context, request) => request,
  shout: (_context, request) => text(request.text.toUpperCase()),
  fail: (_context, request) => {
    if (request.text === 'service') throw new ServiceError('no_room', 'there is no room', { free: 0 });
    if (request.text === 'odd') throw new ServiceError('odd', 'details that JSON cannot carry', { big: 1n });
    throw new TypeError('something broke');
  },
  hang: () => new Promise((resolve) => release.add(() => resolve(new Empty()))),
  repeatable: () => count(1),
  look: (context) => ({
    caller: context.caller,
    requestId: context.requestId,
    remainingMs: context.deadline - Date.now(),
    version: context.version,
  }),
  note: () => undefined,
  news: () => undefined,
  async *list(_context, request) {
    for (let next = 0; next < request.count; next += 250) {
      yield Array.from({ length: Math.min(250, request.count - next) }, (_, index) => text(`item ${next + index}`));
    }
  },
  ...over,
});
