import { connectAmqp, NotAuthorized } from '@kilonova/rpc';
import type { Surroundings } from '@kilonova/runtime';
import { brokerUrls, hostAccount, type BrokerConfig, type TrustedRole } from '../config/broker.ts';
import { connectBroker } from '../process/transport.ts';

/** The wait of a start would be too long for somebody who asks. */
const WAIT_MS = 5_000;
/** Nobody's name, so that no answer to a running agent is taken. */
const NOBODY = 'doctor';
/** Of AMQP: what was refused is a consumer, so the login before it was not. */
const BASIC_CLASS = 60;

/** Connects as a service or a host does. Throws what is wrong. */
export async function examineBroker(
  config: BrokerConfig,
  who: { readonly role: TrustedRole } | { readonly host: string },
  around: Surroundings,
): Promise<string> {
  const patient = { ...config, startWaitMs: Math.min(config.startWaitMs, WAIT_MS) };
  if (config.accounts === 'separate' && 'host' in who) {
    await logIn(patient, who.host, around);
    return `answers, and takes the account ${hostAccount(who.host)}`;
  }
  const role = 'role' in who ? who.role : 'conductor'; // a shared account is the same for all
  const transport = await connectBroker(patient, { role }, around);
  await transport.close();
  return config.accounts === 'shared'
    ? 'answers, with one account for all (hosts are not kept apart)'
    : `answers, with separate accounts, and takes the account ${role}`;
}

/** The account of a host may do nothing but listen to its own queues, where its agent may listen: listening to others is refused. */
async function logIn(config: BrokerConfig, host: string, { clock, random, log }: Surroundings): Promise<void> {
  const { namespace, queues, startWaitMs, dialWaitMs } = config;
  const asking = connectAmqp({
    ...{ urls: brokerUrls(config, { host }), service: 'compute', id: NOBODY, namespace, queues, steward: true },
    ...{ startWaitMs, dialWaitMs, clock, random, log },
  });
  await asking.then(
    (transport) => transport.close(),
    (error: unknown) => {
      const { classId } = (error instanceof NotAuthorized ? error.cause : {}) as { readonly classId?: number };
      if (classId !== BASIC_CLASS) throw error;
    },
  );
}
