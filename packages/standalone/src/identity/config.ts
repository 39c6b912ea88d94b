import { integer, section, text, type SectionValues } from '@kilonova/runtime';
import { databaseOptions, httpOptions } from '../http/config.ts';

export const identitySection = section('identity', {
  ...httpOptions(5000, 30_000),
  ...databaseOptions(),
  region: text('RegionOne', { help: 'Name of the only region in the catalog.' }),
  tokenLifetimeMs: integer(3_600_000, { min: 1_000, help: 'How long a token is good for.' }),
  purgeIntervalMs: integer(60_000, { min: 100, help: 'How often expired tokens are removed.' }),
  purgeBatch: integer(1_000, { min: 1, help: 'Expired tokens removed in one statement.' }),
  scryptCost: integer(16_384, {
    min: 1_024,
    max: 1_048_576,
    help: 'Cost (N, a power of two) of a new password hash; old hashes keep theirs.',
  }),
  maxPasswordLength: integer(1_024, { min: 8, help: 'Longest password that is taken.' }),
  maxWaitingLogins: integer(64, { min: 1, help: 'Password checks at once, waiting ones included; above it logins get 503.' }),
  maxPage: integer(1_000, { min: 1, help: 'Entries of a list in one answer.' }),
  maxApplicationCredentials: integer(50, { min: 0, help: 'Application credentials of one user.' }),
});

export type IdentityConfig = SectionValues<typeof identitySection>;
