/** A way to the broker through this process: it can be cut, and it counts what goes over it. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Wire {
  /** The address with this way in place of the straight one. */
  through(url: string): string;
  /** Breaks every connection; new ones are served at once. */
  cut(): void;
  /** Since the start, both directions. */
  readonly bytes: number;
  /** When each connection was asked for; monotonic milliseconds. */
  readonly openedAt: readonly number[];
  stop(): Promise<void>;
}

const PORTS: Readonly<Record<string, number>> = { 'amqp:': 5_672, 'amqps:': 5_671 };

/** @param target the address of a broker */
export async function openWire(target: string): Promise<Wire> {
  const { hostname, port, protocol } = new URL(target);
  const farPort = port === '' ? (PORTS[protocol] ?? 5_672) : Number(port);
  const sockets = new Set<Socket>();
  const openedAt: number[] = [];
  let bytes = 0;
  const server = createServer({ noDelay: true }, (near) => {
    openedAt.push(performance.now());
    const far = connect({ port: farPort, host: hostname, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (piece: Buffer) => (bytes += piece.length));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((settle, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, settle);
  });
  const own = (server.address() as AddressInfo).port;
  const cut = () => {
    for (const socket of [...sockets]) socket.destroy();
  };
  return {
    through(url) {
      const address = new URL(url);
      address.hostname = '127.0.0.1';
      address.port = String(own);
      return address.href;
    },
    cut,
    get bytes() {
      return bytes;
    },
    openedAt,
    stop: () =>
      new Promise((settle) => {
        server.close(() => settle());
        cut();
      }),
  };
}
