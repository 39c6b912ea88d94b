import { apiSection, authSection, imageClientSection } from '@kilonova/api/config';
import { computeSection, fakeSection } from '@kilonova/compute/config';
import { conductorSection, databaseSection, quotaSection } from '@kilonova/conductor/config';
import { ConfigError, loadConfig, logSection, probesSection, type ConfigSources, type LoadedConfig, type Section } from '@kilonova/runtime';
import { schedulerSection } from '@kilonova/scheduler/config';
import { identitySection, imageSection } from '@kilonova/standalone/config';
import { brokerSection } from './broker.ts';
import { processSection } from './process.ts';
import { refusedOf } from './rules.ts';
import { standaloneSection } from './standalone.ts';

/** Every section of every process, in the order of the documentation. */
export const sections = [
  brokerSection,
  databaseSection,
  apiSection,
  authSection,
  imageClientSection,
  conductorSection,
  quotaSection,
  schedulerSection,
  computeSection,
  fakeSection,
  standaloneSection,
  identitySection,
  imageSection,
  processSection,
  probesSection,
  logSection,
] as const satisfies readonly Section[];

export type KilonovaConfig = LoadedConfig<typeof sections>;

/** Names in the environment that are ours and no options. */
const reservedEnv = ['KILONOVA_CONFIG', 'KILONOVA_TEST_'];

/** @throws ConfigError, also for values that contradict each other */
export function loadSections(sources: ConfigSources): KilonovaConfig {
  const config = loadConfig(sections, { ...sources, reservedEnv });
  const refused = refusedOf(config);
  if (refused.length > 0) throw new ConfigError(refused);
  return config;
}
