import type { Contract } from '../contract/contract.ts';
import type { OsloTransport } from './transport.ts';

/** What `defineContract` says when nobody said otherwise. */
const DEFAULT_EXCHANGE = 'internal';
/** AMQP's limit on a routing key; bytes. */
const MAX_KEY = 255;

/** A contract that names an exchange means that control exchange (`nova`, `neutron`). */
export const exchangeOf = (transport: OsloTransport, { exchange }: Contract): string =>
  exchange === DEFAULT_EXCHANGE ? transport.controlExchange : exchange;

/** `TOPIC.SERVER`. Names of servers are free text there, like `host@backend#pool`. @throws TypeError */
export function serverKey(topic: string, server: string): string {
  const key = `${topic}.${server}`;
  if (server === '' || Buffer.byteLength(key) > MAX_KEY)
    throw new TypeError(`server name ${JSON.stringify(server)}: expected a text that makes at most ${MAX_KEY} bytes with the topic`);
  return key;
}

/** @throws TypeError when the contract has what oslo.messaging has not. */
export function checkOsloContract({ topic, methods }: Contract): void {
  for (const [name, method] of Object.entries(methods)) {
    if (method.kind === 'stream') throw new TypeError(`${topic}.${name}: oslo.messaging has no streams; make it a call`);
    if (method.kind !== 'fanout' && method.orderedBy !== undefined)
      throw new TypeError(`${topic}.${name}: oslo.messaging keeps no order by key (orderedBy)`);
  }
}
