import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { askHttp } from './http-client.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const serving = async (answer: RequestListener, port = 0): Promise<string> => {
  const made = createServer(answer);
  server = made;
  await new Promise<void>((settle, reject) => {
    made.once('error', reject);
    made.listen(port, '127.0.0.1', settle);
  });
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
};
const bounds = () => ({ signal: AbortSignal.timeout(5_000), maxAnswerBytes: 1_000 });

test('a service is reached also on a port that browsers bar', async () => {
  // 10080 is on the list of barred ports that the Fetch standard gives.
  const url = await serving((_request, response) => response.end('here'), 10_080);
  expect(await askHttp(url, bounds())).toMatchObject({ status: 200, text: 'here' });
});

test('method, headers and body travel, and any status is an answer', async () => {
  const url = await serving((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => response.writeHead(404, { 'X-Seen': String(request.headers['x-mine']) }).end(`${request.method} ${body}`));
  });
  const { status, headers, text } = await askHttp(url, { ...bounds(), method: 'POST', headers: { 'X-Mine': 'a' }, body: 'été' });
  expect([status, headers['x-seen'], text]).toEqual([404, 'a', 'POST été']);
});

test('an answer above the limit is refused', async () => {
  const url = await serving((_request, response) => response.end('x'.repeat(1_001)));
  await expect(askHttp(url, bounds())).rejects.toThrow('answer above 1000 bytes');
});

test('a wait ends with the reason of its signal', async () => {
  const url = await serving(() => undefined);
  const abort = new AbortController();
  const asked = askHttp(url, { ...bounds(), signal: abort.signal });
  abort.abort(new Error('no answer within 5 ms'));
  await expect(asked).rejects.toThrow('no answer within 5 ms');
});

test('a kept connection that the service has closed meanwhile is not a failure of the next question', async () => {
  let connections = 0;
  const url = await serving((request, response) => {
    response.end('here');
    // Closed right after the answer, without a word of it before.
    if (connections === 1) response.once('finish', () => request.socket.destroy());
  });
  server?.on('connection', () => (connections += 1));
  expect((await askHttp(url, bounds())).text).toBe('here');
  expect((await askHttp(url, bounds())).text).toBe('here');
});

test('nobody listening is the error of the socket', async () => {
  const url = await serving((_request, response) => response.end());
  await new Promise((settle) => server?.close(settle));
  await expect(askHttp(url, bounds())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
