// A broker that ends a handshake says why, by the message connection.close. amqplib passes that on while it logs in; of
// what comes after (which virtual host, how many connections) it says no more than that another message came, and gives
// out neither that message nor the socket. So the socket that it opens is listened to until the handshake is over.
import net, { type Socket } from 'node:net';
import tls from 'node:tls';

/** Class 10, method 50. */
const CONNECTION_CLOSE = (10 << 16) | 50;
const METHOD_FRAME = 1;
/** Type, channel and size; behind the payload stands one byte more. */
const HEAD_BYTES = 7;

/** As `dial`, which opens a socket in this very turn; but when it fails and the broker said why, that is the error, with the broker's code. */
export async function withLastWords<T>(dial: () => Promise<T>): Promise<T> {
  const { outcome, heard, stop } = listenWhile(dial);
  try {
    return await outcome;
  } catch (error) {
    throw lastWords(Buffer.concat(heard)) ?? error;
  } finally {
    stop();
  }
}

type Open = (...given: never[]) => Socket;

function listenWhile<T>(dial: () => Promise<T>) {
  const sockets: Socket[] = [];
  const heard: Buffer[] = [];
  const { connect } = net;
  const { connect: secure } = tls;
  const noting =
    (open: Open): Open =>
    (...given) => {
      const socket = open(...given);
      sockets.push(socket);
      return socket;
    };
  let outcome: Promise<T>;
  // For this turn only, in which nobody else can open one.
  try {
    net.connect = noting(connect) as typeof net.connect;
    tls.connect = noting(secure) as typeof tls.connect;
    outcome = dial();
  } finally {
    net.connect = connect;
    tls.connect = secure;
  }
  for (const socket of sockets) {
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      const piece: unknown = read(size);
      if (Buffer.isBuffer(piece)) heard.push(piece);
      return piece;
    };
  }
  const stop = () => sockets.forEach((socket) => Reflect.deleteProperty(socket, 'read'));
  return { outcome, heard, stop };
}

function lastWords(bytes: Buffer): Error | undefined {
  for (let at = 0; at + HEAD_BYTES <= bytes.length;) {
    const end = at + HEAD_BYTES + bytes.readUInt32BE(at + 3);
    const payload = bytes.subarray(at + HEAD_BYTES, end);
    if (bytes[at] === METHOD_FRAME && payload.length > HEAD_BYTES && payload.readUInt32BE(0) === CONNECTION_CLOSE) {
      const code = payload.readUInt16BE(4);
      const text = payload.subarray(7, 7 + payload.readUInt8(6)).toString('utf8');
      return Object.assign(new Error(`the broker ended the handshake: ${code} ${text}`), { code });
    }
    at = end + 1;
  }
  return undefined;
}
