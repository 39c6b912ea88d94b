import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Pipe, type Way } from './pipe.ts';

/** Sees what a server sends on one connection, and says what of it goes on to the client, and when. */
export type Watcher = (pass: (piece: Buffer) => void, cut: () => void) => (piece: Buffer) => void;

/** A way of one process to one server, which a test treats badly: each process and each of its servers gets its own. */
export interface FaultProxy {
  readonly port: number;
  /** The address with this way in place of the straight one. */
  through(url: string): string;
  /** From now on, for the connections that are there and for new ones. `refuse` breaks those that are there. */
  behave(way: Way): void;
  /** Breaks all connections; new ones are served. */
  cut(): void;
  stop(): Promise<void>;
}

export interface FaultProxyOptions {
  /** Jitter; a number of [0, 1). */
  readonly random: () => number;
  /** Of what the server sends, connection by connection. */
  readonly watcher?: Watcher;
}

export const OPEN: Way = { kind: 'open' };

/** `target`: an address with host and port. */
export async function startFaultProxy(target: string, { random, watcher }: FaultProxyOptions): Promise<FaultProxy> {
  const { hostname: host, port } = new URL(target);
  const connections = new Set<Connection>();
  let way = OPEN;

  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (way.kind === 'refuse') return void near.destroy();
    const connection = new Connection(near, connect(Number(port), host), { random, watcher });
    connections.add(connection);
    connection.onEnd = () => connections.delete(connection);
    connection.behave(way);
  });
  await new Promise<void>((settle, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', settle);
  });
  const own = (server.address() as AddressInfo).port;
  const cut = () => {
    for (const connection of connections) connection.cut();
  };
  return {
    port: own,
    through(url) {
      const address = new URL(url);
      address.hostname = '127.0.0.1';
      address.port = String(own);
      return address.href;
    },
    behave(next) {
      way = next;
      if (next.kind === 'refuse') cut();
      else for (const connection of connections) connection.behave(next);
    },
    cut,
    stop: () =>
      new Promise((settle) => {
        server.close(() => settle());
        cut();
      }),
  };
}

class Connection {
  onEnd: () => void = () => undefined;
  readonly #sockets: readonly [Socket, Socket];
  readonly #pipes: readonly [Pipe, Pipe];

  constructor(near: Socket, far: Socket, { random, watcher }: { random: () => number; watcher: Watcher | undefined }) {
    this.#sockets = [near, far];
    far.on('error', () => undefined);
    this.#pipes = [new Pipe(near, far, random), new Pipe(far, near, random)];
    const [up, down] = this.#pipes;
    const watched = watcher?.(
      (piece) => down.push(piece),
      () => this.cut(),
    );
    near.on('data', (piece: Buffer) => up.push(piece));
    far.on('data', (piece: Buffer) => (watched === undefined ? down.push(piece) : watched(piece)));
    // While the way is stalled one side may have gone and the other not know of it.
    for (const [from, to] of [
      [near, up],
      [far, down],
    ] as const)
      from.on('close', () => {
        to.end();
        if (near.closed && far.closed) this.onEnd();
      });
  }

  behave(way: Way): void {
    for (const pipe of this.#pipes) pipe.behave(way);
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
