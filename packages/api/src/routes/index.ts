import { aggregateRoutes } from './aggregates.ts';
import { availabilityZoneRoutes } from './availability-zones.ts';
import { extensionRoutes } from './extensions.ts';
import { extraSpecRoutes } from './extra-specs.ts';
import { flavorRoutes } from './flavors.ts';
import { hypervisorRoutes } from './hypervisors.ts';
import { keypairRoutes } from './keypairs.ts';
import { migrationRoutes } from './migrations.ts';
import { quotaRoutes } from './quotas.ts';
import type { Route } from './route.ts';
import { serverGroupRoutes } from './server-groups.ts';
import { serverRoutes } from './servers/index.ts';
import { serviceRoutes } from './services.ts';

/** Everything the API answers. A new call is a row in one of these lists. */
export const routes: readonly Route[] = [
  ...serverRoutes,
  ...flavorRoutes,
  ...extraSpecRoutes,
  ...aggregateRoutes,
  ...availabilityZoneRoutes,
  ...hypervisorRoutes,
  ...serviceRoutes,
  ...migrationRoutes,
  ...keypairRoutes,
  ...quotaRoutes,
  ...serverGroupRoutes,
  ...extensionRoutes,
];
