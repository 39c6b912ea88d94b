import type { InProcessBroker, InProcessConnection } from '@kilonova/rpc';
import type { Quiet } from '../quiet.ts';
import { markOf } from '../trace.ts';
import type { Life } from './life.ts';

interface WireParts {
  readonly broker: InProcessBroker;
  readonly life: Life;
  readonly quiet: Quiet;
  readonly service: string;
  readonly user: string;
  readonly id: string;
  /** Called right before and right after a message is given to the broker; the process may die there. */
  readonly onMessage: (moment: 'before' | 'after', key: string) => void;
}

const SENDERS = new Set<string | symbol>(['send', 'sendConfirmed']);

/** A process's connection to the broker: what it sends is in the trace, and nothing leaves it when it is dead. */
export function connect({ broker, life, quiet, service, user, id, onMessage }: WireParts): InProcessConnection {
  const { clock, random, log } = life.surroundings;
  const connection = broker.connect({ service, id, user, clock, random, log });
  return new Proxy(connection, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const act = member.bind(target) as (...given: unknown[]) => unknown;
      if (!SENDERS.has(name)) return act;
      return (message: { readonly key: string; readonly body: Buffer }) => {
        quiet.stir();
        const { key } = message;
        if (life.alive) onMessage('before', key);
        if (!life.alive) return name === 'send' ? false : new Promise(() => undefined);
        life.note(`> ${key} ${markOf(message.body)}`);
        const sent = act(message);
        onMessage('after', key);
        return life.alive || name === 'send' ? sent : new Promise(() => undefined);
      };
    },
  });
}
