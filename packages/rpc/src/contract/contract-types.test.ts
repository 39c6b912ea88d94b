// What the compiler refuses. Nothing here runs: a line that begins to compile fails the type check of the tests.
import { expect, test } from 'vitest';
import { call, cast, createClient, defineContract, endpoint, fanout, InProcessBroker, serve, stream, type Client } from '../index.ts';
import { Count, count, Text, text } from '../testing/echo.ts';

const contract = defineContract({
  topic: 'types',
  version: '1.0',
  methods: {
    ask: call({ since: '1.0', request: Text, response: Count }),
    tell: cast({ since: '1.0', request: Text }),
    news: fanout({ since: '1.0', request: Text }),
    list: stream({ since: '1.0', request: Count, item: Text }),
  },
});
const other = defineContract({
  topic: 'types',
  namespace: 'other',
  version: '1.0',
  methods: { ask: call({ since: '1.0', request: Count, response: Text }) },
});
const handlers = {
  ask: (_context: unknown, request: Text) => count(request.text.length),
  tell: () => undefined,
  news: () => undefined,
  list: () => [[text('item')]],
};
const transport = new InProcessBroker().connect({ service: 'types', id: '1' });

/** Compiled, and not run. */
const compiled = (...programs: readonly (() => unknown)[]) => programs.length > 0;

test('a client sends what its contract says, and gets it', () => {
  const client: Client<typeof contract> = createClient(transport, contract);
  const all = compiled(
    async (): Promise<number> => (await client.ask(text('?'))).count,
    async (): Promise<void> => client.at('host-1').tell(text('?')),
    async (): Promise<string[]> => {
      const got: string[] = [];
      for await (const items of client.list(count(1))) got.push(...items.map((item) => item.text));
      return got;
    },
    // @ts-expect-error another class as the request
    () => client.ask(count(1)),
    // @ts-expect-error no request at all
    () => client.tell(),
    // @ts-expect-error the answer is a Count
    async (): Promise<string> => (await client.ask(text('?'))).text,
    // @ts-expect-error a cast has no answer
    async (): Promise<Count> => client.tell(text('?')),
    // @ts-expect-error there is no such method
    () => client.shout(text('?')),
    // @ts-expect-error nobody asks whether a method is supported that is in no contract
    () => client.supports('shout'),
    // @ts-expect-error news is for all servers, not for one
    () => client.at('host-1').news(text('?')),
    // @ts-expect-error a stream is no promise
    (): Promise<unknown> => client.list(count(1)),
  );
  expect(all).toBe(true);
});

test('a server has a handler of the right form for each method', () => {
  const { ask: _ask, ...withoutAsk } = handlers;
  const all = compiled(
    () => serve(transport, contract, handlers, { server: 'host-1' }),
    // @ts-expect-error the handler of ask is missing
    () => serve(transport, contract, withoutAsk),
    // @ts-expect-error the answer is of another class
    () => serve(transport, contract, { ...handlers, ask: () => text('?') }),
    // @ts-expect-error the request is of another class
    () => serve(transport, contract, { ...handlers, tell: (_context: unknown, request: Count) => void request.count }),
    // @ts-expect-error a stream gives batches, not single items
    () => serve(transport, contract, { ...handlers, list: () => [text('item')] }),
    // @ts-expect-error there is no such option
    () => serve(transport, contract, handlers, { parallel: 3 }),
  );
  expect(all).toBe(true);
});

test('each endpoint has the handlers of its own contract', () => {
  const ofOther = { ask: (_context: unknown, request: Count) => text(String(request.count)) };
  const all = compiled(
    () => serve(transport, [endpoint(contract, handlers), endpoint(other, ofOther)], { concurrency: 2 }),
    // @ts-expect-error the handlers of another contract
    () => endpoint(other, handlers),
    // @ts-expect-error the handlers of another contract
    () => endpoint(contract, { ...handlers, ...ofOther }),
    // @ts-expect-error a contract without its handlers is no endpoint
    () => serve(transport, [contract]),
    // @ts-expect-error handlers go with their contracts, not beside the list
    () => serve(transport, [endpoint(contract, handlers)], handlers),
  );
  expect(all).toBe(true);
});

test('a contract says of its methods what their kind has', () => {
  const all = compiled(
    () => call({ since: '1.0', request: Text, response: Text, deprecated: '1.4: use select', idempotent: true, retry: { attempts: 2 } }),
    // @ts-expect-error a call has a response
    () => call({ since: '1.0', request: Text }),
    // @ts-expect-error a cast has none
    () => cast({ since: '1.0', request: Text, response: Text }),
    // @ts-expect-error every method says since when it exists
    () => fanout({ request: Text }),
    // @ts-expect-error a request is a class, not an instance
    () => cast({ since: '1.0', request: text('?') }),
  );
  expect(all).toBe(true);
});
