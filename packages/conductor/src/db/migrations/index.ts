import type { Knex } from 'knex';
import { down as firstLightDown, up as firstLight } from './0001-first-light.ts';
import { down as movesDown, up as moves } from './0002-moves.ts';
import { down as progressDown, up as progress } from './0003-progress-of-moves.ts';
import { down as straysDown, up as strays } from './0004-strays.ts';
import { config as sortedServersConfig, down as sortedServersDown, up as sortedServers } from './0005-sorted-servers.ts';

export interface Migration {
  readonly name: string;
  readonly up: (knex: Knex) => Promise<void>;
  readonly down: (knex: Knex) => Promise<void>;
  /** transaction: false for what PostgreSQL does in none; else the migration is one. */
  readonly config?: { readonly transaction: boolean };
}

/** In the order in which they run. A migration that was released never changes. */
export const migrations: readonly Migration[] = [
  { name: '0001-first-light', up: firstLight, down: firstLightDown },
  { name: '0002-moves', up: moves, down: movesDown },
  { name: '0003-progress-of-moves', up: progress, down: progressDown },
  { name: '0004-strays', up: strays, down: straysDown },
  { name: '0005-sorted-servers', up: sortedServers, down: sortedServersDown, config: sortedServersConfig },
];
