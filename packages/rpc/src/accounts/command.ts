import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { brokerDefinitions } from '../amqp/definitions.ts';
import type { Output } from '../command.ts';
import { readAccounts } from './accounts-file.ts';

/** How it is called. */
export const ACCOUNTS_USAGE = `kilonova-rpc accounts print --file FILE             the definitions, for rabbitmqctl import_definitions
kilonova-rpc accounts apply --file FILE             the same, imported through RabbitMQ's management API

  --file accounts.json      {"namespace", "vhost", "trusted": [{"user"}], "hosts": [{"user", "topic", "server", "talksTo", "publishes"}]}, where each
                            account has passwordEnv, passwordFile or "certificate": true
  RABBITMQ_MANAGEMENT_URL   http://admin:password@host:15672, for apply; in the environment, where no other user reads it`;

/** How long the management API may take; milliseconds. */
const APPLY_MS = 30_000;

/** Prints or applies accounts. Gives the exit code: 0 done, 1 not done, 2 asked in a wrong way. */
export async function runAccounts(args: readonly string[], env: NodeJS.ProcessEnv, output: Output): Promise<number> {
  try {
    const { verb, file } = asked(args);
    const accounts = await readAccounts(file, { env, read: (name) => readFile(name, 'utf8') });
    const definitions = brokerDefinitions(accounts);
    if (verb === 'print') {
      output.say(JSON.stringify(definitions, null, 2));
      return 0;
    }
    const address = managementAddress(env['RABBITMQ_MANAGEMENT_URL']);
    const refusal = await apply(address, definitions);
    if (refusal === undefined) {
      output.say(`${accounts.trusted.length + accounts.hosts.length} accounts applied at ${address.url}`);
      return 0;
    }
    output.complain(refusal);
    return 1;
  } catch (error) {
    output.complain(`${error instanceof Error ? error.message : String(error)}\n\n${ACCOUNTS_USAGE}`);
    return 2;
  }
}

function asked(args: readonly string[]) {
  const { positionals, values } = parseArgs({ args: [...args], allowPositionals: true, options: { file: { type: 'string' } } });
  const [verb, ...rest] = positionals;
  if ((verb !== 'print' && verb !== 'apply') || rest.length > 0)
    throw new TypeError(`expected accounts print or apply, found ${positionals.join(' ')}`);
  if (values.file === undefined) throw new TypeError('expected --file accounts.json');
  return { verb, file: values.file };
}

interface ManagementAddress {
  /** Without account and password. */
  readonly url: string;
  readonly authorization: string;
}

function managementAddress(given: string | undefined): ManagementAddress {
  if (given === undefined || !URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol))
    throw new TypeError('expected an address like http://admin:password@host:15672 in RABBITMQ_MANAGEMENT_URL');
  const address = new URL(given);
  const login = `${decodeURIComponent(address.username)}:${decodeURIComponent(address.password)}`;
  address.username = '';
  address.password = '';
  return { url: address.href, authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

/** Why it was not done; undefined when it was. */
async function apply({ url, authorization }: ManagementAddress, definitions: object): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL('api/definitions', url), {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(definitions),
      signal: AbortSignal.timeout(APPLY_MS),
    });
    if (answer.ok) return undefined;
    return `${url} refused the accounts with ${answer.status}: ${(await answer.text()).slice(0, 500)}`;
  } catch (error) {
    const { message, cause } = error as Error;
    return `${url} could not be asked: ${cause instanceof Error ? cause.message : message}`;
  }
}
