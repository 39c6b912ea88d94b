import { failure, type Aggregate, type AggregateRef, type ErrorCode, type ListAggregates } from '@kilonova/objects';
import type { ChangeAggregateHost, CreateAggregate, SetAggregateMetadata, UpdateAggregate } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import type { Transaction } from '../db/connection.ts';
import * as aggregates from '../db/aggregates.ts';
import { touchHosts } from '../db/host-capacity.ts';
import { zoneBreach, type ZoneBreach } from '../hosts/zone-rules.ts';
import type { Services } from '../services.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listAggregates({ knex, config }: Services, { scope }: ListAggregates): AsyncGenerator<readonly Aggregate[]> {
  refuseIfDenied(scope);
  const rows = config.conductor.pieceRows;
  for (
    let page = await aggregates.aggregatePage(knex, 0, rows);
    page.length > 0;
    page = await aggregates.aggregatePage(knex, page.at(-1)!.id, rows)
  ) {
    yield page;
    if (page.length < rows) return;
  }
}

export async function getAggregate({ knex }: Services, { scope, id }: AggregateRef): Promise<Aggregate> {
  const aggregate = await aggregates.findAggregate(knex, id);
  refuseIfDenied(scope);
  return aggregate;
}

export async function createAggregate({ knex, random }: Services, { scope, name, availabilityZone }: CreateAggregate): Promise<Aggregate> {
  refuseIfDenied(scope);
  if (availabilityZone === '') throw emptyZone(name);
  return aggregates.insertAggregate(knex, random.uuid(), name, availabilityZone);
}

/** @throws AggregateNotFound, AggregateExists, ZoneInUse */
export async function updateAggregate(services: Services, request: UpdateAggregate): Promise<Aggregate> {
  const { changes } = request;
  return change(
    services,
    request,
    `Cannot update aggregate ${request.id}.`,
    { 'second zone': 'ZoneInUse', 'servers would move': 'ZoneInUse' },
    {
      hosts: (aggregate) => aggregate.hosts,
      apply: (trx, aggregate) =>
        writeZoned(trx, aggregate, {
          name: changes.name ?? aggregate.name,
          availabilityZone: changes.availabilityZone === undefined ? aggregate.availabilityZone : changes.availabilityZone,
          metadata: aggregate.metadata,
        }),
    },
  );
}

/** @throws AggregateNotFound, ZoneInUse */
export async function setAggregateMetadata(services: Services, request: SetAggregateMetadata): Promise<Aggregate> {
  const { availability_zone: zone, ...others } = request.metadata;
  const refusal = `Cannot update metadata of aggregate ${request.id}.`;
  return change(
    services,
    request,
    refusal,
    { 'second zone': 'ZoneInUse', 'servers would move': 'ZoneInUse' },
    {
      hosts: (aggregate) => aggregate.hosts,
      apply: (trx, aggregate) => {
        const kept = Object.entries({ ...aggregate.metadata, ...others }).filter((entry): entry is [string, string] => entry[1] !== null);
        return writeZoned(trx, aggregate, {
          name: aggregate.name,
          availabilityZone: zone === undefined ? aggregate.availabilityZone : zone,
          metadata: Object.fromEntries(kept),
        });
      },
    },
  );
}

/** @throws AggregateNotFound, HostNotFound, AggregateHostExists, HostInOtherZone, HostHasServers */
export async function changeAggregateHost(services: Services, request: ChangeAggregateHost): Promise<Aggregate> {
  const { id, host, member } = request;
  const refusal = member ? `Cannot add host to aggregate ${id}.` : `Cannot remove host from aggregate ${id}.`;
  return change(
    services,
    request,
    refusal,
    { 'second zone': 'HostInOtherZone', 'servers would move': 'HostHasServers' },
    {
      hosts: () => [host],
      apply: async (trx) => {
        if (member) {
          if (!(await aggregates.addAggregateHost(trx, id, host)))
            throw failure('AggregateHostExists', `Aggregate ${id} already has host ${host}.`);
        } else if (!(await aggregates.removeAggregateHost(trx, id, host)))
          throw failure('HostNotFound', `Aggregate ${id} has no host ${host}.`);
      },
    },
  );
}

/** @throws AggregateNotFound, AggregateNotEmpty */
export async function deleteAggregate({ knex }: Services, { scope, id }: AggregateRef): Promise<Empty> {
  await knex.transaction(async (trx) => {
    const aggregate = await aggregates.lockAggregate(trx, id);
    refuseIfDenied(scope);
    if (aggregate.hosts.length > 0)
      throw failure('AggregateNotEmpty', `Cannot remove host from aggregate ${id}. Reason: Host aggregate is not empty.`);
    await aggregates.deleteAggregate(trx, id);
  });
  return new Empty();
}

interface Change {
  /** The hosts whose zone or ratios it may change. */
  readonly hosts: (aggregate: Aggregate) => readonly string[];
  readonly apply: (trx: Transaction, aggregate: Aggregate) => Promise<void>;
}

/** One transaction: the change, the rules of zones on what it made, and news of its hosts. Locks aggregate, then hosts. */
async function change(
  { knex, config, publisher }: Services,
  { scope, id }: AggregateRef,
  refusal: string,
  codes: Readonly<Record<ZoneBreach['kind'], ErrorCode>>,
  { hosts, apply }: Change,
): Promise<Aggregate> {
  const { changed, touched } = await knex.transaction(async (trx) => {
    const aggregate = await aggregates.lockAggregate(trx, id);
    refuseIfDenied(scope);
    const names = hosts(aggregate);
    const before = await aggregates.lockHostZones(trx, names);
    await apply(trx, aggregate);
    const breach = zoneBreach(before, await aggregates.lockHostZones(trx, names), config.conductor.defaultZone);
    if (breach !== null) throw failure(codes[breach.kind], `${refusal} Reason: ${breach.reason}.`);
    return { touched: await touchHosts(trx, names, config.conductor), changed: await aggregates.findAggregate(trx, id) };
  });
  publisher.hostsTouched(touched);
  return changed;
}

async function writeZoned(
  trx: Transaction,
  { id, name }: Aggregate,
  next: Pick<Aggregate, 'name' | 'availabilityZone' | 'metadata'>,
): Promise<void> {
  if (next.availabilityZone === '') throw emptyZone(name);
  await aggregates.writeAggregate(trx, { id, ...next });
}

const emptyZone = (name: string) => failure('ZoneInvalid', `Aggregate ${name} does not support empty named availability zone.`);
