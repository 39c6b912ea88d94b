import { UsageError, type Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import { runServiceProcess } from '../process/service-process.ts';
import { startStandalone } from '../process/standalone.ts';

export const standalone: Command = {
  name: 'standalone',
  summary: 'Run the small built-in identity (Keystone v3) and image (Glance v2) services.',
  details: 'For clouds that have no Keystone and Glance. Needs a database of its own (standalone.database_url), no broker.',
  options: configOptions,
  run(given) {
    const config = configFor(given);
    const missing = (['adminPassword', 'demoPassword', 'servicePassword'] as const).filter((key) => config.standalone[key] === '');
    if (missing.length > 0)
      throw new UsageError(
        `the configuration lacks ${missing.map((key) => `standalone.${key.replace('Password', '_password')}`).join(', ')}: the users need passwords`,
      );
    return runServiceProcess('standalone', config, async ({ surroundings, add }) => {
      await startStandalone({ config, surroundings: () => surroundings(), add });
    });
  },
};
