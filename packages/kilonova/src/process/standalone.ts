import { seedImage, startIdentity, startImage } from '@kilonova/standalone';
import type { RunningService, Surroundings } from '@kilonova/runtime';
import type { KilonovaConfig } from '../config/sections.ts';

export interface StandaloneFrame {
  readonly config: KilonovaConfig;
  surroundings(service: string): Surroundings;
  add<Service extends RunningService>(service: Service): Service;
}

/** The built-in identity and image services, with what a client needs for its first login and its first server. */
export async function startStandalone({ config, surroundings, add }: StandaloneFrame): Promise<{ identityUrl: string; imageUrl: string }> {
  const { standalone } = config;
  let imageUrl = '';
  const identity = add(
    await startIdentity({
      ...surroundings('identity'),
      config: config.identity,
      databaseUrl: standalone.databaseUrl,
      bootstrap: {
        adminPassword: standalone.adminPassword,
        demoPassword: standalone.demoPassword,
        servicePassword: standalone.servicePassword,
      },
      catalog: () => [
        { type: 'compute', name: 'nova', url: `${standalone.computeUrl.replace(/\/+$/, '')}/v2.1` },
        ...(imageUrl === '' ? [] : [{ type: 'image', name: 'glance', url: imageUrl }]),
      ],
    }),
  );
  const image = add(
    await startImage({
      ...surroundings('image'),
      config: config.image,
      databaseUrl: standalone.databaseUrl,
      identityUrl: `${identity.url}/v3`,
      dataDir: standalone.dataDir,
    }),
  );
  await identity.open();
  imageUrl = config.image.publicUrl || image.url;
  await seedImage({
    identityUrl: identity.url,
    imageUrl: image.url,
    password: standalone.adminPassword,
    log: surroundings('image-seed').log,
  });
  return { identityUrl: identity.url, imageUrl: image.url };
}
