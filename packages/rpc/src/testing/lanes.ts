// What a transport promises of messages that must not wait for others, and of queues chosen by a contract. Run by the
// tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  Busy,
  call,
  cast,
  createClient,
  defineContract,
  Empty,
  serve,
  Unreachable,
  type Contract,
  type DeliveryOptions,
  type Handlers,
  type ServeOptions,
  type Transport,
} from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { Text, text } from './echo.ts';

const workContract = (topic: string, delivery: DeliveryOptions = {}) =>
  defineContract({
    topic,
    version: '1.0',
    delivery,
    methods: {
      work: cast({ since: '1.0', request: Text }),
      ask: call({ since: '1.0', request: Text, response: Text }),
      ping: call({ since: '1.0', request: Empty, response: Text, priority: 'control' }),
      halt: cast({ since: '1.0', request: Empty, priority: 'control' }),
    },
  });
type Work = ReturnType<typeof workContract>;

export function describeLanes(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();

  beforeEach(async () => {
    topic = `lanes-${++topics}`;
    bench = await open();
    [near, far] = await Promise.all([bench.connect('near', 'near-1'), bench.connect('far', 'far-1')]);
  });
  afterEach(async () => {
    await Promise.all([near.close(), far.close()]);
    await letGo();
    await bench.close();
  });

  /** Ends all handlers, also those that begin when others end. */
  const letGo = async () => {
    while (release.size > 0) {
      for (const act of release) act();
      release.clear();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  const hang = () => new Promise<void>((resolve) => release.add(resolve));
  const run = (over: Partial<Handlers<Work>> = {}, options: ServeOptions & { delivery?: DeliveryOptions; on?: Transport } = {}) => {
    const { delivery, on = far, ...rest } = options;
    const handlers = { work: hang, ask: (_: unknown, request: Text) => request, ping: () => text('pong'), halt: () => undefined, ...over };
    return serve(on, workContract(topic, delivery), handlers, { graceMs: 0, ...rest });
  };
  const client = (delivery?: DeliveryOptions) => createClient(near, workContract(topic, delivery));

  test('control messages pass a long backlog of bulk work, with all its handlers busy', async () => {
    let halted = 0;
    let begun = 0;
    await run(
      { work: () => (begun++, hang()), halt: () => void halted++ },
      { concurrency: 2, overloadLimit: 1, prefetch: 5, server: 'host-1' },
    );
    await Promise.all(Array.from({ length: 200 }, (_, index) => client().work(text(String(index)))));
    await Promise.all(Array.from({ length: 20 }, () => client().at('host-1').work(text('?'))));
    await eventually(() => begun === 2);
    await expect(client().ask(text('?'), { timeoutMs: 200 })).rejects.toBeDefined(); // bulk waits behind bulk
    expect(await client().ping(new Empty())).toEqual(text('pong'));
    expect(await client().at('host-1').ping(new Empty())).toEqual(text('pong'));
    await client().halt(new Empty());
    await client().at('host-1').halt(new Empty());
    await eventually(() => halted === 2);
    expect(begun).toBe(2);
  });

  test('control messages have limits of their own', async () => {
    let most = 0;
    let running = 0;
    await run(
      {
        ping: async () => {
          most = Math.max(most, ++running);
          await hang();
          running--;
          return text('pong');
        },
      },
      { control: { concurrency: 1, overloadLimit: 1 } },
    );
    const calls = Array.from({ length: 3 }, () => client().ping(new Empty()));
    const outcomes = Promise.allSettled(calls);
    await expect(Promise.race(calls)).rejects.toBeInstanceOf(Busy);
    await eventually(() => release.size === 1);
    expect(await client().ask(text('bulk goes on'))).toEqual(text('bulk goes on'));
    await letGo();
    expect((await outcomes).filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(most).toBe(1);
    await expect(run({}, { control: { concurrency: 0 } })).rejects.toThrow(/control\.concurrency of lanes-\d+: expected/);
  });

  test('a control message to nobody is unreachable at once', async () => {
    await expect(client().ping(new Empty())).rejects.toBeInstanceOf(Unreachable);
    await expect(client().at('nobody').halt(new Empty())).rejects.toBeInstanceOf(Unreachable);
  });

  test.each(['classic', 'quorum'] as const)('a contract that chooses %s queues has them whatever the transport has', async (queues) => {
    await run({}, { delivery: { queues }, server: 'host-1' });
    expect(await client({ queues }).ask(text('any'))).toEqual(text('any'));
    expect(await client({ queues }).at('host-1').ask(text('one'))).toEqual(text('one'));
    expect(await client({ queues }).ping(new Empty())).toEqual(text('pong'));
    await expect(client({ queues }).at('host-2').ask(text('?'))).rejects.toBeInstanceOf(Unreachable);
    // Another choice is another queue: nothing is handled twice, or by the wrong one.
    await expect(client().ask(text('?'))).rejects.toBeInstanceOf(Unreachable);
  });

  test('calls of a contract with confirmations are answered, and unreachable at once when nobody listens', async () => {
    const delivery = { confirm: true };
    await expect(client(delivery).ask(text('?'))).rejects.toBeInstanceOf(Unreachable);
    await run({}, { delivery });
    expect(await Promise.all([1, 2, 3].map(async (each) => (await client(delivery).ask(text(String(each)))).text))).toEqual([
      '1',
      '2',
      '3',
    ]);
  });

  test('casts of a contract without confirmations arrive, and leave nobody waiting when nobody listens', async () => {
    const delivery = { confirm: false };
    await expect(client(delivery).halt(new Empty())).resolves.toBeUndefined();
    let halted = 0;
    await run({ halt: () => void halted++ }, { delivery });
    await client(delivery).halt(new Empty());
    await eventually(() => halted === 1);
  });

  test('what cannot work is said when the contract is made', () => {
    const made = (given: Partial<Contract>) => () => defineContract({ topic: 'work', version: '1.0', methods: {}, ...given });
    const both = cast({ since: '1.0', request: Text, priority: 'control', orderedBy: (request) => request.text });
    expect(made({ methods: { both } })).toThrow(/work\.both: a control message overtakes others/);
    expect(made({ delivery: { queues: 'lazy' } as never })).toThrow(/delivery\.queues of work: expected 'classic' or 'quorum', got "lazy"/);
    expect(made({ delivery: { partitions: 0 } as never })).toThrow(/delivery\.partitions of work: expected a whole number from 1 to 64/);
    for (const word of ['control', 'quorum', 'ordered-3']) expect(made({ topic: word })).toThrow(/expected a lower-case word/);
  });
}
