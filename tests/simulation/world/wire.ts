import type { InProcessBroker, InProcessConnection, Transport } from '@kilonova/rpc';
import type { Quiet } from '../quiet.ts';
import { markOf } from '../trace.ts';
import type { Life } from './life.ts';

type Correspondent = Parameters<Transport['attach']>[0];

/** What becomes of one message on its way. */
export interface Fate {
  /** How often it arrives; 0 is lost, and nobody is told. */
  readonly copies: number;
  /** Messages that wait are overtaken. */
  readonly delayMs: number;
}

interface WireParts {
  readonly broker: InProcessBroker;
  readonly life: Life;
  readonly quiet: Quiet;
  readonly service: string;
  readonly user: string;
  readonly id: string;
  /** Called right before and right after a message is given to the broker; the process may die there. */
  readonly onMessage: (moment: 'before' | 'after', key: string) => void;
  readonly fate: () => Fate;
  /** The network's clock: what is on its way arrives although its sender died. */
  readonly later: (ms: number, act: () => void) => void;
}

type Act = (...given: unknown[]) => unknown;

const SENDERS = new Set<string | symbol>(['send', 'sendConfirmed']);

/** A process's connection to the broker: what it sends is in the trace, and nothing leaves it when it is dead. */
export function connect({ broker, life, quiet, service, user, id, onMessage, fate, later }: WireParts): InProcessConnection {
  const { clock, random, log } = life.surroundings;
  const connection = broker.connect({ service, id, user, clock, random, log });
  return new Proxy(connection, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const act = member.bind(target) as (...given: unknown[]) => unknown;
      if (name === 'listen')
        return (address: unknown, prefetch: unknown, take: Act) =>
          act(address, prefetch, (delivery: unknown) => life.reach(() => take(delivery)));
      if (name === 'onChange')
        return (listener: Act) => act((connected: unknown, reason: unknown) => life.reach(() => listener(connected, reason)));
      if (name === 'attach') return (correspondent: Correspondent) => act(reached(correspondent));
      if (!SENDERS.has(name)) return act;
      const never = () => (name === 'send' ? false : new Promise(() => undefined));
      return (message: { readonly key: string; readonly body: Buffer }) => {
        quiet.stir();
        const { key } = message;
        if (life.alive) onMessage('before', key);
        if (!life.alive) return never();
        const sent = transmit(message, act, name === 'send');
        onMessage('after', key);
        if (life.alive) return sent;
        void Promise.resolve(sent).catch(() => undefined);
        return never();
      };
    },
  });

  /** What comes back reaches the process when it does not stand still. */
  function reached(correspondent: Correspondent): Correspondent {
    return {
      onReply: (delivery) => life.reach(() => correspondent.onReply(delivery)),
      onReturned: (exchange, correlationId) => life.reach(() => correspondent.onReturned(exchange, correlationId)),
      onBroken: (error) => life.reach(() => correspondent.onBroken(error)),
      onMended: () => life.reach(() => correspondent.onMended()),
    };
  }

  function transmit(message: { readonly key: string; readonly body: Buffer }, act: (message: unknown) => unknown, quick: boolean): unknown {
    const { copies, delayMs } = connection.connected ? fate() : { copies: 1, delayMs: 0 };
    life.note(
      `> ${message.key} ${markOf(message.body)}${copies === 1 ? '' : ` x${copies}`}${delayMs === 0 ? '' : ` +${delayMs.toFixed(0)}`}`,
    );
    if (copies === 1 && delayMs === 0) return act(message);
    // The broker said that it has the message; what a copy meets is nobody's affair.
    for (let copy = 0; copy < copies; copy += 1)
      later(copy === 0 ? delayMs : fate().delayMs, () => {
        quiet.stir();
        void Promise.resolve(act(message)).catch(() => undefined);
      });
    return quick ? true : Promise.resolve();
  }
}
