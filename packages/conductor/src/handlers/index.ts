import { ConductorVersion, type ActOnServer, type conductorContract } from '@kilonova/objects';
import type { Context, Empty, Handlers } from '@kilonova/rpc';
import { createGate } from '../admission/create-servers.ts';
import { asRefusal } from '../db/refusals.ts';
import { asServiceError, isTransient } from '../db/unavailable.ts';
import type { Heartbeats } from '../hosts/heartbeats.ts';
import type { Services } from '../services.ts';
import type { PeerVersions } from '../versions/peers.ts';
import * as aggregates from './aggregates.ts';
import * as flavors from './flavors.ts';
import * as hosts from './hosts.ts';
import * as keypairs from './keypairs.ts';
import { once, type Act, type Scoped } from './once.ts';
import * as quotas from './quotas.ts';
import * as serverActions from './server-actions.ts';
import * as serverGroups from './server-groups.ts';
import * as serverMigrations from './server-migrations.ts';
import * as servers from './servers.ts';
import * as services from './services.ts';

/** What the handlers are made of. */
export interface HandlerParts {
  readonly services: Services;
  readonly heartbeats: Heartbeats;
  readonly versions: Pick<PeerVersions, 'saw' | 'oldestConductor'>;
  /** Accepts start, stop, reboot, delete and the like: a matter of tasks. */
  readonly actOnServer: (request: ActOnServer) => Promise<Empty>;
}

/** What callers understand: mistakes of theirs, and a database that is not there. */
const told = (error: unknown): unknown => asServiceError(asRefusal(error));

/** Every method of the conductor's contract and the function that does it. */
export function conductorHandlers({
  services: given,
  heartbeats,
  versions,
  actOnServer,
}: HandlerParts): Handlers<typeof conductorContract> {
  const call =
    <Req, Res>(act: (services: Services, request: Req) => Promise<Res>) =>
    async (_context: Context, request: Req): Promise<Res> => {
      for (let tries = 0; ; tries += 1) {
        try {
          return await act(given, request);
        } catch (error) {
          // A deadlock took the whole transaction back, so that the request can be made anew.
          if (!isTransient(error) || tries >= given.config.conductor.raceRetries) throw told(error);
        }
      }
    };
  const stream = <Req, Item>(act: (services: Services, request: Req) => AsyncIterable<readonly Item[]>) =>
    async function* (_context: Context, request: Req): AsyncGenerator<readonly Item[]> {
      try {
        yield* act(given, request);
      } catch (error) {
        throw told(error);
      }
    };
  /** A change that a message makes once, however often it comes. Functions are named as their methods. */
  const write = <Req extends Scoped, Res extends object>(act: Act<Req, Res>, again?: Act<Req, Res>) => call(once(act.name, act, again));
  const creates = createGate(given);
  return {
    createServers: call((_services, request) => creates.admit(request)),
    listServers: stream(servers.listServers),
    listServerNames: stream(servers.listServerNames),
    listServerRevisions: stream(servers.listServerRevisions),
    getServer: call(servers.getServer),
    updateServer: write(servers.updateServer, servers.getServer),
    actOnServer: call((_services, request) => actOnServer(request)),
    changeServerMetadata: write(servers.changeServerMetadata),
    listServerActions: stream(serverActions.listServerActions),
    getServerAction: call(serverActions.getServerAction),
    listMigrations: stream(serverMigrations.listMigrations),
    listServerMigrations: stream(serverMigrations.listServerMigrations),
    getServerMigration: call(serverMigrations.getServerMigration),

    listFlavors: stream(flavors.listFlavors),
    getFlavor: call(flavors.getFlavor),
    createFlavor: write(flavors.createFlavor),
    updateFlavor: write(flavors.updateFlavor),
    deleteFlavor: write(flavors.deleteFlavor),
    changeExtraSpecs: write(flavors.changeExtraSpecs),
    getFlavorAccess: call(flavors.getFlavorAccess),
    changeFlavorAccess: write(flavors.changeFlavorAccess),

    listAggregates: stream(aggregates.listAggregates),
    getAggregate: call(aggregates.getAggregate),
    createAggregate: write(aggregates.createAggregate),
    updateAggregate: write(aggregates.updateAggregate),
    deleteAggregate: write(aggregates.deleteAggregate),
    changeAggregateHost: write(aggregates.changeAggregateHost),
    setAggregateMetadata: write(aggregates.setAggregateMetadata),
    listZones: stream(hosts.listZones),
    listServices: stream(services.listServices),
    updateService: write(services.updateService),
    deleteService: write(services.deleteService),
    listHypervisors: stream(hosts.listHypervisors),
    getHypervisor: call(hosts.getHypervisor),
    listHostStates: stream(hosts.listHostStates),
    getHostDigest: call(hosts.getHostDigest),

    listKeypairs: stream(keypairs.listKeypairs),
    getKeypair: call(keypairs.getKeypair),
    createKeypair: write(keypairs.createKeypair),
    deleteKeypair: write(keypairs.deleteKeypair),

    getQuota: call(quotas.getQuota),
    updateQuota: write(quotas.updateQuota),
    deleteQuota: write(quotas.deleteQuota),
    getQuotaClass: call(quotas.getQuotaClass),
    updateQuotaClass: write(quotas.updateQuotaClass),

    listServerGroups: stream(serverGroups.listServerGroups),
    getServerGroup: call(serverGroups.getServerGroup),
    createServerGroup: write(serverGroups.createServerGroup),
    deleteServerGroup: write(serverGroups.deleteServerGroup),

    serviceHeartbeat(_context, beat) {
      heartbeats.noteService(beat);
      versions.saw(beat.binary, beat.version);
    },
    oldestConductor: () => Object.assign(new ConductorVersion(), { oldest: versions.oldestConductor }),
  };
}
