import { createServer, request } from 'node:http';
import type { Broker } from './broker.ts';

/**
 * Tests run in other processes than the one that owns the broker; through a socket in a private folder they ask the
 * owner to kill it, start it and run rabbitmqctl, however it was come by.
 */
export interface BrokerControl {
  readonly path: string;
  stop(): Promise<void>;
}

interface Order {
  readonly action: 'kill' | 'start' | 'ctl';
  readonly args?: readonly string[];
  readonly input?: string;
}

export async function serveBrokerControl(broker: Broker, path: string): Promise<BrokerControl> {
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (piece: Buffer) => (body += piece.toString()));
    incoming.on('end', () => {
      obey(broker, JSON.parse(body) as Order).then(
        (output) => response.end(output),
        (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
      );
    });
  });
  await new Promise<void>((settle, reject) => {
    server.once('error', reject);
    server.listen(path, settle);
  });
  return {
    path,
    stop: () =>
      new Promise((settle) => {
        server.close(() => settle());
        server.closeAllConnections();
      }),
  };
}

async function obey(broker: Broker, { action, args = [], input }: Order): Promise<string> {
  if (action === 'ctl') return broker.ctl(args, input);
  await broker[action]();
  return '';
}

/** The client's side. Throws with the owner's words when the order fails. */
export const orderBroker = (path: string, order: Order): Promise<string> =>
  new Promise((settle, reject) => {
    const outgoing = request({ socketPath: path, method: 'POST', timeout: 120_000 }, (response) => {
      let body = '';
      response.on('data', (piece: Buffer) => (body += piece.toString()));
      response.on('end', () => (response.statusCode === 200 ? settle(body) : reject(new Error(body))));
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`the broker's owner did not ${order.action} it in 120 s`)));
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify(order));
  });
