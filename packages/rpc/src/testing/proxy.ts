import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a broker that can be cut: what a network does, without asking either side. */
export interface CuttableProxy {
  /** The broker's address through the proxy. */
  readonly url: string;
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

/** @param pieces sizes, in turn, of the pieces that bytes pass in; absent: as they come */
export async function openProxy(target: string, pieces: readonly number[] = []): Promise<CuttableProxy> {
  const broker = new URL(target);
  const url = new URL(target);
  const sockets = new Set<Socket>();
  let open = true;
  const server = createServer((near) => {
    if (!open) {
      near.destroy();
      return;
    }
    const far = connect(Number(broker.port || 5672), broker.hostname);
    near.setNoDelay(true);
    far.setNoDelay(true);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      let turn = 0;
      let before = Promise.resolve();
      const passOn = (bytes: Buffer) => {
        before = before.then(async () => {
          for (let from = 0; from < bytes.length;) {
            const size = pieces[turn++ % pieces.length] as number;
            other.write(bytes.subarray(from, (from += size)));
            await new Promise(setImmediate);
          }
        });
      };
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      if (pieces.length === 0) one.pipe(other);
      else one.on('data', (bytes) => passOn(bytes));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut() {
      open = false;
      cut();
    },
    restore() {
      open = true;
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The broker that `npm test` set up. */
export function testBroker(): string {
  const url = process.env['KILONOVA_TEST_AMQP_URL'];
  if (url === undefined || url === '') {
    throw new Error('these tests need a RabbitMQ: run `npm test`, or set KILONOVA_TEST_AMQP_URL to amqp://user:password@host:port');
  }
  return url;
}
