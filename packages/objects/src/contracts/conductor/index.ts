import { call, cast, defineContract, Empty, Exclude, Expose } from '@kilonova/rpc';
import { version } from '../../history.ts';
import { ConductorVersion } from '../../objects/service.ts';
import { flavorMethods } from './flavors.ts';
import { hostMethods } from './hosts.ts';
import { keypairMethods } from './keypairs.ts';
import { quotaMethods } from './quotas.ts';
import { serverGroupMethods } from './server-groups.ts';
import { serverMigrationMethods } from './server-migrations.ts';
import { serverMethods } from './servers.ts';

/** A sign of life of an internal service (scheduler, api); conductors write their own. */
@Exclude()
export class ServiceHeartbeat {
  /** nova-scheduler, nova-api */
  @Expose() binary!: string;
  @Expose() host!: string;
  @Expose() version!: string;
}

/** Everything that is asked of the conductor, which alone has the database. */
export const conductorContract = defineContract({
  topic: 'conductor',
  version,
  methods: {
    ...serverMethods,
    ...serverMigrationMethods,
    ...flavorMethods,
    ...hostMethods,
    ...keypairMethods,
    ...quotaMethods,
    ...serverGroupMethods,
    serviceHeartbeat: cast({ since: '1.0', request: ServiceHeartbeat }),
    oldestConductor: call({ since: '1.2', request: Empty, response: ConductorVersion, idempotent: true }),
  },
});
