import { integer, section } from '@kilonova/runtime';

export const processSection = section('process', {
  graceMs: integer(30_000, { min: 100, max: 600_000, help: 'The longest a graceful stop may take after SIGTERM.' }),
});
