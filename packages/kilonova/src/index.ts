export { FolderInUse } from './host/folder-lock.ts';
export { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from './postgres/embedded.ts';
