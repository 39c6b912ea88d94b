// Nothing that a request, an answer or an address holds may stand where many can read it: logs, errors, the heads of dead
// letters. Each secret is a word of its own, looked for in all that is said.
import { inspect } from 'node:util';
import { connect, type Channel } from 'amqplib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  connectAmqp,
  consumeEvents,
  createClient,
  createPublisher,
  onRefused,
  serve,
  ServiceError,
  type Logger,
  type Transport,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { count, echoContract, echoHandlers, text } from '../testing/echo.ts';
import { openProxy, testBroker } from '../testing/proxy.ts';
import { change, events } from '../testing/things.ts';

const SECRET = 'tulips-at-midnight';
const DETAIL = 'seven-grey-herons';
const PASSWORD = 'marmalade-window';

let namespace: string;
let near: Transport;
let far: Transport;
let connection: Awaited<ReturnType<typeof connect>>;
let channel: Channel;
const said: string[] = [];
let runs = 0;

const say = (level: string) => (fields: object, event: string) =>
  void said.push(`${level} ${event} ${inspect(fields, { depth: 12, showHidden: true })}`);
const log: Logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
const open = (service: string, url = testBroker(), options = {}) =>
  connectAmqp({ url, service, id: '1', namespace, queues: 'classic', log, retryCapMs: 50, ...options });

beforeEach(async () => {
  said.length = 0;
  namespace = `secrets-${process.pid}-${++runs}`;
  [near, far] = await Promise.all([open('near'), open('far')]);
  connection = await connect(testBroker());
  channel = await connection.createChannel();
});
afterEach(() => Promise.all([near.close(), far.close(), connection.close()]));

/** Whatever a caller is thrown. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(Error);
  return outcome;
}

/** All about the messages that were put aside but their contents. */
async function deadHeads(): Promise<string> {
  const heads: string[] = [];
  for (let message = await channel.get(`${namespace}.dead.v2`); message !== false; message = await channel.get(`${namespace}.dead.v2`))
    heads.push(inspect({ ...message, content: undefined }, { depth: 12 }));
  return heads.join('\n');
}

test('contents of requests, answers and events stay out of logs, errors and the heads of dead letters', async () => {
  const refused: unknown[] = [];
  onRefused(near, (refusal) => void refused.push(refusal));
  const odd = Object.assign(new Error('the query failed'), {
    parameters: [SECRET],
    cause: Object.assign(new Error('low'), { row: SECRET }),
  });
  const throwing = (which: string): never => {
    if (which.startsWith('odd')) throw odd;
    throw new ServiceError('no_room', 'there is no room', { asked: DETAIL });
  };
  await serve(
    far,
    echoContract('echo', '1.1'),
    echoHandlers(new Set(), {
      echo: (_context, request) => (request.text.startsWith('wrong') ? ({ text: { inner: SECRET } } as never) : request),
      fail: (_context, request) => throwing(request.text),
      note: (_context, request) => throwing(request.text),
      list: () => [[{ text: { inner: SECRET } } as never]],
    }),
  );
  await consumeEvents(
    far,
    events,
    { 'thing.changed': (_context, { name }) => throwing(name) },
    { group: 'audit', attempts: 2, retryBaseMs: 1 },
  );
  const client = createClient(near, echoContract('echo', '1.1'));
  const newer = createClient(near, echoContract('echo', '1.2'));
  const publisher = createPublisher(near, events);
  const metadata = { hint: SECRET };
  await client.echo(text(SECRET), { metadata });
  for (const which of ['odd', 'service']) {
    await client.note(text(`${which} ${SECRET}`));
    await publisher.publish('thing.changed', change(`${which} ${SECRET}`), { metadata });
  }
  await newer.note(text(SECRET));
  const exchange = `${namespace}.internal.v2`;
  const head = { topic: 'echo', method: 'note', version: '1.1', requestId: 'r' };
  channel.publish(exchange, 'echo.any', Buffer.from(`{"text":"${SECRET}`));
  channel.publish(exchange, 'echo.any', Buffer.from(JSON.stringify({ ...head, kind: 'cast', body: { text: [SECRET] } })));
  channel.publish(exchange, 'echo.any', Buffer.from(JSON.stringify({ ...head, kind: SECRET, body: {} })));
  channel.publish(`${namespace}.events.v2`, 'things.info', Buffer.from(`{"body":"${SECRET}`));
  channel.publish(`${namespace}.replies.v2`, 'reply.near.1', Buffer.from(`{"body":{"text":"${SECRET}`));

  const thrown = [
    await failure(client.echo(text(`wrong ${SECRET}`), { timeoutMs: 500 })),
    await failure(client.echo({ text: { inner: SECRET } } as never)),
    await failure(client.echo(text(SECRET.repeat(20_000)))),
    await failure(client.fail(text(`odd ${SECRET}`))),
    await failure(client.at('nobody').echo(text(SECRET))),
    await failure(newer.echo(text(SECRET))),
    await failure(client.list(count(1))[Symbol.asyncIterator]().next() as Promise<unknown>),
    await failure(publisher.publish('thing.changed', { name: { inner: SECRET } } as never)),
  ];
  const service = await failure(client.fail(text(`service ${SECRET}`)));
  expect(service).toMatchObject({ details: { asked: DETAIL } }); // the caller is told: that is what details are for

  await eventually(() => refused.length >= 1);
  await expect
    .poll(async () => (await channel.checkQueue(`${namespace}.dead.v2`)).messageCount, { timeout: 5_000 })
    .toBeGreaterThanOrEqual(6);
  const heads = await deadHeads();
  expect(said.some((line) => line.includes('handler failed'))).toBe(true);
  expect(said.some((line) => line.includes('event put aside'))).toBe(true);
  expect(said.some((line) => line.includes('an answer could not be read'))).toBe(true);
  expect(heads).toContain('the message is not JSON');
  for (const [where, what] of Object.entries({
    logs: said.join('\n'),
    errors: inspect(thrown, { depth: 12, showHidden: true }),
    refused: inspect(refused, { depth: 12 }),
    heads,
  })) {
    expect(linesWith(what, SECRET), where).toEqual([]);
    expect(linesWith(what, DETAIL), where).toEqual([]);
  }
});

test('passwords of addresses stay out of logs and errors', async () => {
  const wrong = new URL(testBroker());
  wrong.password = PASSWORD;
  const absent = `amqp://guest:${PASSWORD}@127.0.0.1:1`;
  const proxy = await openProxy(testBroker());
  const address = new URL(proxy.url);
  const errors = [
    await failure(open('refused', wrong.href, { startWaitMs: 500 })),
    await failure(open('absent', absent, { startWaitMs: 200 })),
    await failure(open('odd', `http://guest:${PASSWORD}@host`)),
    await failure(open('odder', `amqp://guest:${PASSWORD}@host:port`)),
    await failure(open('account', address.href, { credentials: () => Promise.reject(new Error('the vault is shut')), startWaitMs: 200 })),
  ];
  const cut = await open('cut', address.href);
  proxy.cut();
  await expect.poll(() => said.filter((line) => line.includes('no connection to the broker')).length).toBeGreaterThanOrEqual(3);
  await cut.close();
  await proxy.close();
  for (const [where, what] of Object.entries({ logs: said.join('\n'), errors: inspect(errors, { depth: 12, showHidden: true }) })) {
    expect(linesWith(what, PASSWORD), where).toEqual([]);
  }
});

const linesWith = (all: string, secret: string) => all.split('\n').filter((line) => line.includes(secret));

test('an address whose account or password cannot be read is refused at once, without a word of it', async () => {
  for (const login of [`user:${PASSWORD}%off`, `${PASSWORD}%off:x`]) {
    const error = await failure(open('far', `amqp://${login}@127.0.0.1:1`));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toBe('connectAmqp: account and password in an address: expected % as %25');
    expect(said.join(' ')).not.toContain(PASSWORD);
  }
  const credentials = { user: 'user', password: 'x' };
  const unused = await failure(open('far', 'amqp://user:50%off@127.0.0.1:1', { credentials, startWaitMs: 100 }));
  expect(unused).toMatchObject({ code: 'Unreachable' });
});
