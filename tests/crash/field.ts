import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '@kilonova/runtime';
import { brokerUrl } from '../support/broker.ts';
import { startCloud, type Cloud, type Member, type Role } from '../support/cloud.ts';
import { ClockSkew } from '../support/faults/clock-skew.ts';
import { startFaultProxy, type FaultProxy } from '../support/faults/fault-proxy.ts';
import { LostAnswers } from '../support/faults/lost-answers.ts';
import { ReorderedDeliveries } from '../support/faults/reordered-deliveries.ts';
import { startPrivateDatabase, type PrivateDatabase } from '../support/services/private-database.ts';
import { CONFIG } from './field-config.ts';

/** What one process reaches its servers through. */
interface Ways {
  readonly broker: FaultProxy;
  readonly reordered: ReorderedDeliveries;
  /** Of conductors. */
  readonly database: FaultProxy | undefined;
  readonly lost: LostAnswers;
}

/** A cloud of two of every service and four hosts, in which everything can be made to go wrong. */
export interface Field {
  readonly cloud: Cloud;
  readonly server: PrivateDatabase;
  readonly random: Random;
  waysOf(member: Member): Ways;
  clockOf(member: Member): ClockSkew;
  /** A member that no other fault has in hand; undefined when there is none. */
  take(role: Role, name?: string): Member | undefined;
  give(member: Member): void;
  stop(): Promise<void>;
}

const PLACES: readonly (readonly [Role, readonly string[]])[] = [
  ['conductor', ['conductor-1', 'conductor-2']],
  ['scheduler', ['scheduler-1', 'scheduler-2']],
  ['api', ['api-1', 'api-2']],
  ['compute', ['host-1', 'host-2', 'host-3', 'host-4']],
];

/** Members that do their work in processes of their own, beside others that do it themselves. */
export const withWorkers = { conductor: 'conductor-1', api: 'api-1' } as const;
export const WORKERS = 2;
/** One that may be declared gone: nobody counts on what an operator gave it. */
export const DISPOSABLE_HOST = 'host-4';

export async function openField(random: Random): Promise<Field> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return await open(random, undo, stop);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

async function open(random: Random, undo: (() => Promise<unknown>)[], stop: () => Promise<void>): Promise<Field> {
  const dir = mkdtempSync(join(tmpdir(), 'kilonova-crash-'));
  chmodSync(dir, 0o711); // PostgreSQL may run under another account and must be able to pass
  const server = await startPrivateDatabase(dir);
  undo.push(() => server.stop());
  const ways = new Map<string, Ways>();
  const clocks = new Map<string, ClockSkew>();
  for (const [role, names] of PLACES)
    for (const name of names) {
      const made = await openWays(role, server.url, random);
      ways.set(name, made);
      undo.push(() => made.broker.stop());
      if (made.database !== undefined) undo.push(() => made.database!.stop());
      if (role === 'compute') clocks.set(name, new ClockSkew(join(dir, `clock-of-${name}`)));
    }
  const cloud = await startCloud({
    ...{ apis: 2, conductors: 2, schedulers: 2, hosts: 4, databaseServer: server.url, config: CONFIG },
    launch(role, name, { brokerUrl: broker, databaseUrl }) {
      const own = ways.get(name);
      if (own === undefined) return {};
      const database = own.database?.through(databaseUrl);
      return {
        args: Object.values<string>(withWorkers).includes(name) ? ['--set', `${role}.workers=${WORKERS}`] : [],
        env: {
          ...clocks.get(name)?.env,
          KILONOVA_BROKER_URLS: own.broker.through(broker),
          ...(database !== undefined && { KILONOVA_DATABASE_URL: database }),
        },
      };
    },
  });
  undo.push(() => cloud.stop());
  const taken = new Set<Member>();
  return {
    ...{ cloud, server, random, stop },
    waysOf: ({ name }) => ways.get(name)!,
    clockOf: ({ name }) => clocks.get(name)!,
    take(role, name) {
      const free = cloud.of(role).filter((member) => !taken.has(member) && (name === undefined || member.name === name));
      const member = free[Math.floor(random.next() * free.length)];
      if (member !== undefined) taken.add(member);
      return member;
    },
    give: (member) => void taken.delete(member),
  };
}

async function openWays(role: Role, databaseUrl: string, random: Random): Promise<Ways> {
  const next = () => random.next();
  const reordered = new ReorderedDeliveries();
  const lost = new LostAnswers();
  return {
    broker: await startFaultProxy(brokerUrl(), { random: next, watcher: reordered.watcher }),
    database: role === 'conductor' ? await startFaultProxy(databaseUrl, { random: next, watcher: lost.watcher }) : undefined,
    ...{ reordered, lost },
  };
}
