import { connect, createServer, type NetConnectOpts } from 'node:net';

/** Below 32768 so that no outgoing connection takes a port between our look and our use. */
const FIRST = 20_000;
const LAST = 31_000;

let asked = 0;

/** `count` ports in a row on 127.0.0.1 that nobody listens on. Starts looking at a place that depends on this process and differs each time. */
export async function freePorts(count: number): Promise<number> {
  asked += 1;
  const span = LAST - FIRST - count;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const first = FIRST + ((process.pid * 131 + asked * 1_009 + attempt * 97) % span);
    const ports = Array.from({ length: count }, (_, offset) => first + offset);
    if (await areFree(ports)) return first;
  }
  throw new Error(`no ${count} free ports in a row between ${FIRST} and ${LAST} on 127.0.0.1`);
}

/** Whether nobody listens on any of them on 127.0.0.1. */
export const areFree = async (ports: readonly number[]) => (await Promise.all(ports.map(isFree))).every(Boolean);

const isFree = (port: number) =>
  new Promise<boolean>((settle) => {
    const probe = createServer();
    probe.once('error', () => settle(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => settle(true)));
  });

/** Whether an AMQP broker answers: it says its first frame, and does not merely accept the connection. */
export const answersAmqp = (port: number, host = '127.0.0.1') => answers({ port, host }, 'AMQP\0\0\x09\x01', (frame) => frame[0] === 1); // a method frame: connection.start

/** Whether what listens there answers `greeting` within two seconds with what `expected` recognises by its first bytes. */
export const answers = (where: NetConnectOpts, greeting: string, expected: (first: Buffer) => boolean) =>
  new Promise<boolean>((settle) => {
    const socket = connect(where);
    const done = (answer: boolean) => {
      socket.destroy();
      settle(answer);
    };
    socket.setTimeout(2_000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => settle(false));
    socket.once('connect', () => socket.write(greeting));
    socket.once('data', (first) => done(expected(first)));
  });
