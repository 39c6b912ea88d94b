import { createServer, get, Agent, type RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { orderlyEnd } from './http-end.ts';

const opened: { destroy(): unknown }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
});

const serving = async (answer: RequestListener, graceMs = 10_000) => {
  const server = createServer({ keepAliveTimeout: 60_000 }, answer);
  const end = orderlyEnd(server, { clock: systemClock, graceMs });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, end, port: (server.address() as AddressInfo).port };
};

const connection = async (port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  opened.push(socket);
  await once(socket, 'connect');
  return socket;
};

/** Milliseconds. */
const tookMs = async (end: () => Promise<void>) => {
  const began = performance.now();
  await end();
  return performance.now() - began;
};
/** Far below the grace, which would end it too. */
const PROMPT_MS = 2_000;

test('a connection that never sent anything does not hold the end', async () => {
  const { server, end, port } = await serving((_request, response) => response.end());
  const accepted = once(server, 'connection');
  await connection(port);
  await accepted;
  expect(await tookMs(end)).toBeLessThan(PROMPT_MS);
});

test('a connection that is kept after its answer does not hold the end', async () => {
  const { end, port } = await serving((_request, response) => response.end('here'));
  const agent = new Agent({ keepAlive: true });
  opened.push(agent);
  await new Promise<void>((settle) => get({ port, host: '127.0.0.1', agent }, (incoming) => incoming.resume().once('end', settle)));
  expect(await tookMs(end)).toBeLessThan(PROMPT_MS);
});

test('a request in work gets its whole answer, and its connection does not hold the end afterwards', async () => {
  let answer: () => void = () => undefined;
  const { server, end, port } = await serving((_request, response) => (answer = () => void response.end('late')));
  const agent = new Agent({ keepAlive: true });
  opened.push(agent);
  const body = new Promise<string>((settle) =>
    get({ port, host: '127.0.0.1', agent }, (incoming) => {
      let text = '';
      incoming.on('data', (piece: Buffer) => (text += piece.toString()));
      incoming.once('end', () => settle(text));
    }),
  );
  await once(server, 'request');
  const ended = end();
  answer();
  expect(await body).toBe('late');
  expect(await tookMs(() => ended)).toBeLessThan(PROMPT_MS);
});

test('a request that does not finish within the grace is cut', async () => {
  const { server, end, port } = await serving(() => undefined, 50);
  const cut = new Promise((settle) => get({ port, host: '127.0.0.1' }).once('error', settle));
  await once(server, 'request');
  expect(await tookMs(end)).toBeLessThan(PROMPT_MS);
  expect(await cut).toBeInstanceOf(Error);
});
