import type { Random } from '@kilonova/runtime';
import type { Session } from './session.ts';

export interface OperatorOptions {
  readonly session: Session;
  readonly random: Random;
  readonly wrong: string[];
  readonly hosts: readonly string[];
  readonly stopped: AbortSignal;
}

const READS = [
  '/servers/detail?limit=50',
  '/servers?limit=100&sort_key=created_at&sort_dir=desc',
  '/servers/detail?status=ERROR&limit=20',
  '/os-hypervisors/detail',
  '/os-services',
  '/flavors/detail',
  '/os-availability-zone/detail',
  '/os-migrations?limit=50',
  '/os-server-groups',
  '/limits',
];

/** Changes what servers are made of and where, and looks at everything. */
export class OperatorUser {
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  async work(): Promise<void> {
    const { random, stopped, session } = this.#options;
    for (let round = 0; !stopped.aborted; round += 1) {
      const name = `crash-${random.uuid()}`;
      const acts = [() => this.#aggregate(name), () => this.#flavor(name), () => this.#keypair(name), () => this.#group(name)];
      await acts[round % acts.length]!();
      await session.ask('list', ['GET', READS[Math.floor(random.next() * READS.length)]!], [200]);
    }
  }

  /** 409 is the answer to a request that came twice: sent again by its user, or handed out again by the broker. */
  async #aggregate(name: string): Promise<void> {
    const { session, random, hosts, wrong } = this.#options;
    await session.ask('make-aggregate', ['POST', '/os-aggregates', { body: { aggregate: { name } } }], [200, 409]);
    const { body } = await session.ask<{ aggregates: { id: number; name: string }[] }>('list', ['GET', '/os-aggregates'], [200]);
    const own = body.aggregates.filter((aggregate) => aggregate.name === name);
    if (own.length !== 1) return void wrong.push(`${name}: ${own.length} aggregates`);
    const path = `/os-aggregates/${own[0]!.id}`;
    const host = hosts[Math.floor(random.next() * hosts.length)]!;
    const act = (verb: string, action: object, expected: readonly number[]) =>
      session.ask(verb, ['POST', `${path}/action`, { body: action }], expected);
    await act('add-host', { add_host: { host } }, [200, 409]);
    await act('set-aggregate-metadata', { set_metadata: { metadata: { rack: name } } }, [200]);
    const shown = await session.ask<{ aggregate: { hosts: string[]; metadata: object } }>('show', ['GET', path], [200]);
    if (!shown.body.aggregate.hosts.includes(host)) wrong.push(`${name}: ${host} was added and is not shown`);
    await act('remove-host', { remove_host: { host } }, [200, 404]);
    await session.ask('delete-aggregate', ['DELETE', path], [200, 404]);
  }

  async #flavor(name: string): Promise<void> {
    const { session, wrong } = this.#options;
    const flavor = { name, id: name, ram: 128, vcpus: 1, disk: 1 };
    await session.ask('make-flavor', ['POST', '/flavors', { body: { flavor } }], [200, 409]);
    await session.ask(
      'set-extra-specs',
      ['POST', `/flavors/${name}/os-extra_specs`, { body: { extra_specs: { 'hw:cpu_policy': 'shared' } } }],
      [200],
    );
    const { body } = await session.ask<{ extra_specs: object }>('show', ['GET', `/flavors/${name}/os-extra_specs`], [200]);
    if (JSON.stringify(body.extra_specs) !== '{"hw:cpu_policy":"shared"}')
      wrong.push(`${name}: extra specs are ${JSON.stringify(body.extra_specs)}`);
    await session.ask('delete-flavor', ['DELETE', `/flavors/${name}`], [202, 404]);
  }

  async #keypair(name: string): Promise<void> {
    const { session } = this.#options;
    const keypair = {
      name,
      type: 'ssh',
      public_key: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7nq0yVBd0a4yBvSKCkXbsVbVRmWOfvk8G3GzUWwVgN ${name}`,
    };
    await session.ask('make-keypair', ['POST', '/os-keypairs', { body: { keypair } }], [200, 201, 409]);
    await session.ask('delete-keypair', ['DELETE', `/os-keypairs/${name}`], [202, 204, 404]);
  }

  async #group(name: string): Promise<void> {
    const { session } = this.#options;
    const body = { server_group: { name, policy: 'anti-affinity' } };
    const made = await session.ask<{ server_group?: { id: string } }>('make-group', ['POST', '/os-server-groups', { body }], [200, 403]);
    const id = made.body.server_group?.id;
    if (id !== undefined) await session.ask('delete-group', ['DELETE', `/os-server-groups/${id}`], [204, 404]);
  }
}
