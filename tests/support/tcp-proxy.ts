import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a server that a test may close and open again. */
export interface TcpProxy {
  readonly port: number;
  /** The address with this way in place of the straight one. */
  through(url: string): string;
  /** cut: as if the server had ended, connections break and new ones are not served. hold: as if its cable had come off, nothing arrives and nothing breaks. */
  fail(how: 'cut' | 'hold'): void;
  mend(): void;
  stop(): Promise<void>;
}

/** `target`: an address with host and port. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname: host, port } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  let state: 'open' | 'cut' | 'hold' = 'open';

  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (state === 'cut') return void near.destroy();
    const far = connect(Number(port), host);
    far.on('error', () => undefined);
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, pair.toReversed()] as [Socket, Socket][]) {
      from.on('data', (piece) => to.write(piece));
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
      if (state === 'hold') from.pause();
    }
  });
  await new Promise<void>((settle, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', settle);
  });
  const own = (server.address() as AddressInfo).port;
  const each = (act: (socket: Socket) => void) => {
    for (const pair of pairs) pair.forEach(act);
  };
  return {
    port: own,
    through(url) {
      const address = new URL(url);
      address.hostname = '127.0.0.1';
      address.port = String(own);
      return address.href;
    },
    fail(how) {
      state = how;
      each((socket) => (how === 'cut' ? socket.destroy() : socket.pause()));
    },
    mend() {
      state = 'open';
      each((socket) => socket.resume());
    },
    stop: () =>
      new Promise((settle) => {
        server.close(() => settle());
        each((socket) => socket.destroy());
      }),
  };
}
