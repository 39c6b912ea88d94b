import type { OlderPeer } from '@kilonova/rpc';
import { hostsReturned } from '../hosts/registration.ts';
import type { Services } from '../services.ts';
import type { PeerVersions } from './peers.ts';

/**
 * A host that turns out to be older than was thought (an agent that was put back) refused an order before any effect. What
 * waits for that host is said again at once, in the form that it understands; else it would wait until it is overdue.
 */
export const ordersSaidAgain =
  (
    { knex, engine, log }: Pick<Services, 'knex' | 'engine' | 'log'>,
    versions: Pick<PeerVersions, 'registered'>,
    cleaner: { ring(): void },
  ) =>
  ({ server: host, asked, supported }: OlderPeer): void => {
    if (host === undefined) return;
    log.warn({ host, asked, supported }, 'a host refused an order of a newer version; it is said again in an older form');
    versions.registered(host, supported);
    hostsReturned({ knex, engine }, [host]).then(
      () => cleaner.ring(),
      (error: unknown) => log.debug({ host, error: String(error) }, 'orders not said again at once, but when they are overdue'),
    );
  };
