import { environment, type Environment } from '../environment.ts';
import { Unreachable, Busy, type RpcError } from '../errors.ts';
import { checkPositive, withDefaults } from '../options.ts';
import { defaultLimits, type Address, type Group, type OutgoingMessage, type TransportLimits } from '../transport.ts';
import { addressKeys, REPLIES } from '../wire/wire.ts';
import { checkFaults, FaultyWay, type Faults } from './faults.ts';
import { isOrdered, routeWord } from '../contract/lane.ts';
import { GroupQueue } from './group-queue.ts';
import { InProcessTransport, type InProcessConnection } from './transport.ts';
import { MemoryQueue } from './queue.ts';

/** A message that a server put aside. */
export interface DeadLetter {
  readonly body: Buffer;
  readonly topic: string;
  readonly reason: string;
  readonly userId: string;
}

/** Kept for `deadLetters`; the oldest go first. */
const MAX_DEAD_LETTERS = 1_000;
/** After so many in a row the event loop gets its turn. */
const BURST = 64;

/**
 * A broker inside the process, for simulation and single-process use: the same bytes, order and errors as over AMQP.
 * With a seeded `random` and a virtual `clock` a run repeats.
 */
export class InProcessBroker {
  readonly deadLetters: DeadLetter[] = [];
  readonly #environment: Environment;
  readonly #queues = new Map<string, MemoryQueue>();
  readonly #groups = new Map<string, GroupQueue>();
  readonly #way: FaultyWay;
  #faults: Faults;
  #turn: (() => void)[] = [];
  #pumping = false;

  constructor(options: Partial<Environment> & { readonly faults?: Faults } = {}) {
    this.#environment = environment(options);
    this.#way = new FaultyWay(this.#environment);
    this.#faults = checkFaults(options.faults ?? {});
  }

  /** May be changed at any time. @throws TypeError for a share that is not within 0 and 1. */
  get faults(): Faults {
    return this.#faults;
  }

  set faults(faults: Faults) {
    this.#faults = checkFaults(faults);
  }

  /** `user` is the authenticated name that handlers see; default: `service`. */
  connect(options: { service: string; id: string; user?: string } & Partial<Environment> & Partial<TransportLimits>): InProcessConnection {
    const { service, id, user = service } = options;
    const limits = withDefaults(defaultLimits, options);
    checkPositive('InProcessBroker.connect', limits);
    return new InProcessTransport(this, {
      service,
      id,
      user,
      limits,
      environment: environment({ ...this.#environment, ...definedParts(options) }),
    });
  }

  /** The queue of an address, made when somebody listens to it. @throws TypeError for a group that exists with other options. @internal */
  queue(address: Address | 'reply', service: string, id: string): MemoryQueue {
    if (address !== 'reply' && address.kind === 'group') return this.#groupQueue(address);
    const { name, ...place } = placeOf(address, service, id);
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new MemoryQueue(
        place,
        this.#environment.clock,
        (act) => this.#soon(act),
        () => this.#queues.delete(name),
      );
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #groupQueue(group: Group): MemoryQueue {
    const name = `${group.topic}.${group.group}`;
    let queue = this.#groups.get(name);
    if (queue === undefined) {
      const put = (body: Buffer, userId: string) => this.addDeadLetter({ body, topic: group.topic, reason: 'maxlen', userId });
      queue = new GroupQueue(group, this.#environment.clock, (act) => this.#soon(act), put);
      this.#groups.set(name, queue);
    } else {
      queue.join(group);
    }
    return queue;
  }

  /** `done` is told what the broker would say. @internal */
  publish(message: OutgoingMessage, userId: string, done: (error?: RpcError) => void): void {
    this.#soon(() => {
      const takers = [...this.#queues.values(), ...this.#groups.values()].filter((queue) => queue.matches(message.exchange, message.key));
      if (takers.length === 0 && message.mandatory) {
        done(new Unreachable(`nobody listens to ${message.key}`, { key: message.key }));
        return;
      }
      let refused = false;
      for (const queue of takers) {
        for (let copies = this.#way.copies(this.#faults); copies > 0; copies--) {
          const put = () => queue.put({ ...message, userId });
          refused = !this.#way.bring(this.#faults, queue, put) || refused;
        }
      }
      if (refused) done(new Busy(`the queue of ${message.key} is full`, { key: message.key }));
      else done();
    });
  }

  /** @internal */
  addDeadLetter(letter: DeadLetter): void {
    this.deadLetters.push(letter);
    if (this.deadLetters.length > MAX_DEAD_LETTERS) this.deadLetters.shift();
  }

  /** In order, after the current code, and with a breath for the event loop now and then. */
  #soon(act: () => void): void {
    this.#turn.push(act);
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    for (let done = 0; done < BURST; done++) {
      const act = this.#turn.shift();
      if (act === undefined) {
        this.#pumping = false;
        return;
      }
      act();
    }
    if (this.#turn.length === 0) this.#pumping = false;
    else this.#environment.clock.after(0, () => this.#pump());
  }
}

const definedParts = ({ clock, random, log, metrics, interceptors }: Partial<Environment>): Partial<Environment> => ({
  ...(clock === undefined ? {} : { clock }),
  ...(random === undefined ? {} : { random }),
  ...(log === undefined ? {} : { log }),
  ...(metrics === undefined ? {} : { metrics }),
  ...(interceptors === undefined ? {} : { interceptors }),
});

/** The queue of an address, as the broker would name it. */
function placeOf(address: Exclude<Address, { readonly kind: 'group' }> | 'reply', service: string, id: string) {
  const sharing = 'competing' as const;
  if (address === 'reply') return { name: `reply.${service}.${id}`, exchange: REPLIES, key: addressKeys.reply(service, id), sharing };
  const { exchange, topic } = address;
  if (address.kind === 'fanout') return { name: `fanout.${topic}.${service}.${id}`, exchange, key: addressKeys.fanout(topic), sharing };
  const word = routeWord(address);
  if (address.kind === 'server')
    return { name: `server.${word}.${address.server}`, exchange, key: addressKeys.server(word, address.server), sharing };
  return { name: word, exchange, key: addressKeys.topic(word), sharing: isOrdered(address.lane) ? ('single' as const) : sharing };
}
