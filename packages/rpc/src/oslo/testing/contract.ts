// The contract of peer.py, and of our server that stands in for it.
import { call, cast, defineContract, Empty, Exclude, Expose, fanout, shape } from '../../index.ts';

@Exclude()
export class Body {
  @Expose() body!: string;
}
@Exclude()
export class Sum {
  @Expose() a!: number;
  @Expose() b!: number;
}
@Exclude()
export class Key {
  @Expose() key!: string;
}
@Exclude()
export class Note {
  @Expose() text!: string;
}
@Exclude()
export class Pause {
  @Expose() seconds!: number;
}
export const Text = shape<string>('a text', (value) => typeof value === 'string');
export const Whole = shape<number>('a whole number', (value) => Number.isInteger(value));
interface Identity {
  readonly user: string | null;
  readonly request: string | null;
}
export const Who = shape<Identity>('a user and a request', (value) => typeof value === 'object' && value !== null && 'user' in value);
export const Pair = shape<readonly string[]>('a list', Array.isArray);

export const contractOf = (topic: string, version = '1.1') =>
  defineContract({
    topic,
    version,
    methods: {
      echo: call({ since: '1.0', request: Body, response: Text }),
      add: call({ since: '1.0', request: Sum, response: Whole }),
      nothing: call({ since: '1.0', request: Empty, response: Empty }),
      who: call({ since: '1.0', request: Empty, response: Who }),
      missing: call({ since: '1.0', request: Key, response: Text }),
      no_room: call({ since: '1.0', request: Empty, response: Empty }),
      slow: call({ since: '1.0', request: Pause, response: Text }),
      absent: call({ since: '1.0', request: Empty, response: Empty }),
      note: cast({ since: '1.0', request: Note }),
      news: fanout({ since: '1.0', request: Note }),
    },
  });

/** A call and a cast, for what needs no Python. */
export const workContract = (topic: string) =>
  defineContract({
    topic,
    version: '1.0',
    methods: {
      run: call({ since: '1.0', request: Note, response: Text }),
      note: cast({ since: '1.0', request: Note }),
    },
  });
