// What a transport promises of errors that handlers throw. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createClient,
  Empty,
  NotAuthorized,
  RemoteError,
  serve,
  ServiceError,
  type Handlers,
  type RpcError,
  type ServeOptions,
  type Transport,
} from '../index.ts';
import type { Bench } from './bench.ts';
import { echoContract, echoHandlers, text, type EchoContract } from './echo.ts';

export function describeErrors(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';

  beforeEach(async () => {
    topic = `errors-${++topics}`;
    bench = await open();
    [near, far] = await Promise.all([bench.connect('near', 'near-1'), bench.connect('far', 'far-1')]);
  });
  afterEach(() => bench.close());

  const run = (over: Partial<Handlers<EchoContract>> = {}, options: ServeOptions = {}) =>
    serve(far, echoContract(topic), echoHandlers(new Set(), over), options);
  const client = () => createClient(near, echoContract(topic));

  test('errors of the application keep code, message and details; others keep name and message only', async () => {
    await run();
    const error = await client()
      .fail(text('service'))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ServiceError);
    expect(error).toMatchObject({ code: 'no_room', message: 'there is no room', details: { free: 0 } });
    const unknown = await client()
      .fail(text('type'))
      .catch((thrown: unknown) => thrown);
    expect(unknown).toBeInstanceOf(RemoteError);
    expect(unknown).toMatchObject({ remoteName: 'TypeError', message: 'something broke' });
    await expect(client().fail(text('odd'))).rejects.toMatchObject({ code: 'odd', details: undefined });
  });

  test('a server that says so sends the stacks of what its handlers throw, but never of what a caller may not do', async () => {
    function whereItBroke(kind: string): never {
      if (kind === 'service') throw new ServiceError('no_room', 'there is no room');
      if (kind === 'forbidden') throw new NotAuthorized('not for you');
      throw new TypeError('something broke');
    }
    await run(
      { fail: (_context, request) => whereItBroke(request.text) },
      { stacks: true, authorize: (method) => (method === 'look' ? whereItBroke('forbidden') : undefined) },
    );
    const stackOf = (work: Promise<unknown>) =>
      work.then(
        () => 'no error',
        (error: RpcError) => error.remoteStack,
      );
    expect(await stackOf(client().fail(text('service')))).toContain('whereItBroke');
    expect(await stackOf(client().fail(text('other')))).toContain('whereItBroke');
    expect(await stackOf(client().fail(text('forbidden')))).toBeUndefined();
    expect(await stackOf(client().look(new Empty()))).toBeUndefined();
  });

  test('stacks stay at home where nobody said otherwise, and are cut to their limit where they travel', async () => {
    const server = await run();
    const failed = await client()
      .fail(text('type'))
      .catch((error: unknown) => error);
    expect((failed as RpcError).remoteStack).toBeUndefined();
    await server.stop();
    await run({}, { stacks: true, stackLength: 20 });
    const cut = await client()
      .fail(text('type'))
      .catch((error: unknown) => error);
    expect((cut as RpcError).remoteStack).toBe('TypeError: something');
  });

  test('a message of the wrong shape names topic, method and field, here and at a server whose sender did not look', async () => {
    await run();
    const wrong = (method: string) => ({
      code: 'MalformedMessage',
      message: `${topic}.${method}: Text.text: expected string, got number`,
      details: { path: 'Text.text', expected: 'string' },
    });
    await expect(client().echo({ text: 7 } as never)).rejects.toMatchObject(wrong('echo'));
    await expect(client().note({ text: 7 } as never)).rejects.toMatchObject(wrong('note'));
    const send = near.send.bind(near);
    near.send = (message) => send({ ...message, body: Buffer.from(message.body.toString().replace('"seven"', '7')) });
    await expect(client().echo(text('seven'))).rejects.toMatchObject(wrong('echo'));
  });

  test('a number that JSON has not is refused where it is sent', async () => {
    await run({ repeatable: () => ({ count: Number.POSITIVE_INFINITY }) });
    await expect(client().repeatable({ ms: Number.NaN })).rejects.toMatchObject({
      code: 'MalformedMessage',
      message: `${topic}.repeatable: Wait.ms: expected number, got NaN`,
    });
    await expect(client().repeatable({ ms: 1 })).rejects.toMatchObject({
      code: 'RemoteError',
      message: 'Count.count: expected number, got Infinity',
    });
  });

  test('what a handler could not reach is not reported as this server being unreachable', async () => {
    await run({ fail: () => client().at('nobody').fail(text('x')) });
    await expect(client().fail(text('?'))).rejects.toMatchObject({ code: 'RemoteError', remoteName: 'Unreachable' });
  });
}
