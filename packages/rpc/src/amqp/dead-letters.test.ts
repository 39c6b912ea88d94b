import { connect } from 'amqplib';
import { expect, test } from 'vitest';
import { cast, connectAmqp, createClient, defineContract, listDeadLetters, requeueDeadLetters, serve } from '../index.ts';
import { runCommand } from '../command.ts';
import { eventually } from '../testing/bench.ts';
import { Text, text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';

const contract = (version: string) =>
  defineContract({ topic: 'letters', version, methods: { note: cast({ since: '1.0', request: Text }) } });

const account = decodeURIComponent(new URL(testBroker()).username);
let runs = 0;

/** A server of 1.0 that has put aside a note of 1.1 and something unreadable. */
async function office() {
  const url = testBroker();
  const namespace = `test-${process.pid}-letters-${++runs}`;
  const far = await connectAmqp({ url, service: 'far', id: '1', namespace, queues: 'classic' });
  const near = await connectAmqp({ url, service: 'near', id: '1', namespace, queues: 'classic' });
  const old = await serve(far, contract('1.0'), { note: () => undefined });
  await createClient(near, contract('1.1')).note(text('from the future'));
  await near.sendConfirmed({ exchange: 'internal', key: 'letters.any', body: Buffer.from('not JSON'), mandatory: true });
  const source = { url, namespace };
  await expect.poll(async () => (await listDeadLetters(source)).length, { timeout: 5_000 }).toBe(2);
  return { source, far, old, close: () => Promise.all([far.close(), near.close()]) };
}

test('dead letters can be looked at again and again, with their reasons', async () => {
  const { source, close } = await office();
  const first = await listDeadLetters(source);
  expect(first.map(({ topic, method, caller }) => ({ topic, method, caller }))).toEqual([
    { topic: 'letters', method: 'note', caller: account },
    { topic: 'letters', method: undefined, caller: account },
  ]);
  expect(first[0]?.reason).toBe('UnsupportedVersion: letters: the message is version 1.1, this server supports 1.0');
  expect(first[1]?.body.toString()).toBe('not JSON');
  expect(await listDeadLetters(source)).toEqual(first);
  expect(await listDeadLetters({ ...source, limit: 1 })).toEqual(first.slice(0, 1));
  await close();
});

test('a cast that was refused is handled after its server has learned the version, and what cannot be read stays', async () => {
  const { source, far, old, close } = await office();
  await old.stop();
  const none = await requeueDeadLetters(source, () => true);
  expect(none.requeued).toEqual([]);
  expect(none.left.map(({ why }) => why)).toEqual(['Unreachable: nobody listens to letters.any', 'it cannot be read']);
  const seen: string[] = [];
  await serve(far, contract('1.1'), { note: (_context, request) => void seen.push(request.text) });
  const { requeued, left } = await requeueDeadLetters(source, () => true);
  expect(requeued.map(({ method }) => method)).toEqual(['note']);
  expect(left.map(({ why }) => why)).toEqual(['it cannot be read']);
  await eventually(() => seen.length === 1);
  expect(seen).toEqual(['from the future']);
  expect((await listDeadLetters(source)).map(({ body }) => body.toString())).toEqual(['not JSON']);
  await close();
});

test('a letter that names a place of others is not sent there', async () => {
  const { source, close } = await office();
  const connection = await connect(source.url);
  const channel = await connection.createConfirmChannel();
  const forged = Buffer.from(
    JSON.stringify({ kind: 'cast', topic: 'letters', method: 'note', version: '1.0', requestId: 'forged', body: {} }),
  );
  for (const headers of [
    { exchange: `${source.namespace}.internal.v2`, key: 'conductor.any' },
    { exchange: `${source.namespace}.replies.v2`, key: 'reply.near.1' },
    { exchange: '', key: 'letters.any' },
    { 'x-death': [{ exchange: `${source.namespace}.internal.v2`, 'routing-keys': ['conductor.any'] }], key: 'conductor.any' },
  ])
    channel.publish(`${source.namespace}.dead.v2`, 'letters', forged, { headers });
  await channel.waitForConfirms();
  const { requeued, left } = await requeueDeadLetters(source, ({ requestId }) => requestId === 'forged');
  expect(requeued).toEqual([]);
  expect(left.map(({ why }) => why)).toEqual(Array.from({ length: 4 }, () => 'it names a place that is not of letters'));
  await connection.close();
  await close();
});

test('the command lists, shows and requeues, and says what it expected', async () => {
  const { source, close } = await office();
  const run = async (...args: string[]) => {
    const said: string[] = [];
    const complaints: string[] = [];
    const env = { AMQP_URL: source.url };
    const code = await runCommand(['dead-letters', ...args, '--namespace', source.namespace], env, {
      say: (line) => void said.push(line),
      complain: (line) => void complaints.push(line),
    });
    return { code, said, complaints };
  };
  const [letter] = await listDeadLetters(source);
  const id = String(letter?.id);
  const listed = await run('list');
  expect(listed.code).toBe(0);
  expect(listed.said).toHaveLength(2);
  expect(listed.said[0]).toContain(`${id}  letters.note  from ${account}`);
  expect(listed.said.join('')).not.toContain('from the future'); // bodies may hold secrets: only `show` prints one
  expect((await run('show', id)).said[1]).toContain('from the future');
  expect(await run('requeue', 'absent')).toMatchObject({ code: 1, complaints: ['absent  is not there'] });
  expect(await run('requeue', id)).toMatchObject({ code: 0, said: [`${id}  sent again  letters.note`] });
  expect((await run('requeue')).complaints[0]).toContain('expected IDs or --all');
  expect((await run('burn')).code).toBe(2);
  await close();
  expect(await run('list', '--url', 'amqp://127.0.0.1:1')).toMatchObject({ code: 1 });
});
