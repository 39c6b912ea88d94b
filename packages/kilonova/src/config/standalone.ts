import { address, section, text } from '@kilonova/runtime';

const password = (user: string) => text('', { secret: true, help: `Password that the user ${user} has after every start.` });

/** For `kilonova standalone`, which runs the built-in identity and image services where no real ones exist. */
export const standaloneSection = section('standalone', {
  databaseUrl: address(['postgres', 'postgresql'], 'postgres://kilonova@127.0.0.1:5432/kilonova_standalone', {
    secret: true,
    help: 'The database of the built-in services; not that of the control plane.',
  }),
  dataDir: text('/var/lib/kilonova/images', { help: 'Where the image service keeps its files.' }),
  computeUrl: text('http://127.0.0.1:8774', { help: 'The compute API, as the catalog shows it.' }),
  adminPassword: password('admin'),
  demoPassword: password('demo'),
  servicePassword: password('nova, who checks tokens for the compute API (the same value as auth.password),'),
});
