import type { BrokerAccounts } from '../amqp/definitions.ts';

/** What stands around the file: kept apart so that passwords come from where other users do not read them. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  /** The text of a file. @throws when it cannot be read */
  read(file: string): Promise<string>;
}

/**
 * The accounts that a JSON file describes: `namespace`, `vhost`, `trusted` and `hosts` as in `BrokerAccounts`, but that
 * each account says where its password is: `passwordEnv` (a variable of the environment), `passwordFile` (a file with
 * nothing else in it, but a line's end), or `certificate: true` for an account that the broker takes from a certificate.
 *
 * @throws TypeError saying where, what was expected and what was found; a password is never in it
 */
export async function readAccounts(file: string, around: Surroundings): Promise<BrokerAccounts> {
  const root = object(parse(await around.read(file), file), file);
  const { namespace, vhost } = root;
  only(root, ['namespace', 'vhost', 'trusted', 'hosts'], file);
  const trusted = list(root['trusted'] ?? [], `${file}: trusted`).map(async ([entry, path]) => {
    only(entry, ['user', ...PASSWORD], path);
    return { user: text(entry['user'], `${path}.user`), ...(await password(entry, path, around)) };
  });
  const hosts = list(root['hosts'] ?? [], `${file}: hosts`).map(async ([entry, path]) => {
    only(entry, ['user', 'topic', 'server', 'talksTo', 'publishes', ...PASSWORD], path);
    return {
      user: text(entry['user'], `${path}.user`),
      topic: text(entry['topic'], `${path}.topic`),
      server: text(entry['server'], `${path}.server`),
      talksTo: texts(entry['talksTo'] ?? [], `${path}.talksTo`),
      publishes: texts(entry['publishes'] ?? [], `${path}.publishes`),
      ...(await password(entry, path, around)),
    };
  });
  return {
    ...(namespace === undefined ? {} : { namespace: text(namespace, `${file}: namespace`) }),
    ...(vhost === undefined ? {} : { vhost: text(vhost, `${file}: vhost`) }),
    trusted: await Promise.all(trusted),
    hosts: await Promise.all(hosts),
  };
}

type Entry = Readonly<Record<string, unknown>>;
const PASSWORD = ['passwordEnv', 'passwordFile', 'certificate'] as const;

async function password(entry: Entry, path: string, { env, read }: Surroundings): Promise<{ readonly password?: string }> {
  const given = PASSWORD.filter((name) => entry[name] !== undefined);
  const [how] = given;
  if (how === undefined || given.length > 1)
    throw wrong(path, `one of ${PASSWORD.join(', ')}`, given.length === 0 ? 'none' : given.join(' and '));
  if (how === 'certificate') {
    if (entry['certificate'] !== true) throw wrong(`${path}.certificate`, 'true', kind(entry['certificate']));
    return {};
  }
  const name = text(entry[how], `${path}.${how}`);
  const value = how === 'passwordEnv' ? env[name] : (await read(name)).replace(/\r?\n$/, '');
  if (value === undefined || value === '') throw wrong(`${path}.${how}`, `a password in ${name}`, 'nothing');
  return { password: value };
}

function parse(json: string, file: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new TypeError(`${file}: expected JSON`, { cause });
  }
}

const kind = (value: unknown) =>
  value === null ? 'null' : Array.isArray(value) ? 'a list' : value === undefined ? 'nothing' : typeof value;
const wrong = (path: string, expected: string, found: string) => new TypeError(`${path}: expected ${expected}, found ${found}`);

function object(value: unknown, path: string): Entry {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object', kind(value));
  return value as Entry;
}

function only(entry: Entry, names: readonly string[], path: string): void {
  const unknown = Object.keys(entry).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(path, names.join(', '), unknown);
}

function list(value: unknown, path: string): readonly (readonly [Entry, string])[] {
  if (!Array.isArray(value)) throw wrong(path, 'a list', kind(value));
  return value.map((entry: unknown, index) => [object(entry, `${path}[${index}]`), `${path}[${index}]`]);
}

function text(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(path, 'a text', value === '' ? 'an empty one' : kind(value));
  return value;
}

function texts(value: unknown, path: string): readonly string[] {
  if (!Array.isArray(value)) throw wrong(path, 'a list of texts', kind(value));
  return value.map((each, index) => text(each, `${path}[${index}]`));
}
