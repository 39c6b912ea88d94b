import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectAmqp, createClient, serve, type Transport } from '../index.ts';
import { echoContract, echoHandlers, text } from '../testing/echo.ts';
import { openProxy, testBroker, type CuttableProxy } from '../testing/proxy.ts';

// One body frame holds 131 064 bytes: above it a message has several.
const SIZES = [0, 1, 200, 4_096, 16_200, 16_384, 65_536, 130_900, 131_064, 200_000];
const letters = (count: number) => Array.from({ length: count }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');

describe.each([
  { title: 'as they come', pieces: [] },
  { title: 'in pieces of all sizes', pieces: [1, 2, 3, 5, 7, 8, 9, 64, 4_000, 20_000] },
])('with bytes that arrive $title', ({ pieces }) => {
  let proxy: CuttableProxy;
  const open: Transport[] = [];
  const client = () => createClient(open[1] as Transport, contract);
  const contract = echoContract('frames');

  beforeAll(async () => {
    proxy = await openProxy(testBroker(), pieces);
    for (const service of ['far', 'near'])
      open.push(
        await connectAmqp({ url: proxy.url, service, id: '1', namespace: `frames-${process.pid}-${pieces.length}`, queues: 'classic' }),
      );
    await serve(open[0] as Transport, contract, echoHandlers(new Set(), {}));
  });
  afterAll(async () => {
    for (const transport of open) await transport.close();
    await proxy.close();
  });

  test.each(SIZES)('a text of %i bytes comes back as it left', async (size) => {
    expect((await client().echo(text(letters(size)))).text === letters(size)).toBe(true);
  });

  test('many of all sizes at once come back, each to its caller', async () => {
    const asked = SIZES.flatMap((size) => [0, 1, 2].map((turn) => `${turn}${letters(size)}`));
    const answers = await Promise.all(asked.map((value) => client().echo(text(value))));
    expect(answers.every((answer, index) => answer.text === asked[index])).toBe(true);
  });
});
