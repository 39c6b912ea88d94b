export { identitySection, type IdentityConfig } from './identity/config.ts';
export type { Bootstrap } from './identity/bootstrap.ts';
export type { CatalogEntry } from './identity/catalog.ts';
export { startIdentity, type IdentityOptions } from './identity/main.ts';
export { imageSection, type ImageConfig } from './image/config.ts';
export { startImage, type ImageOptions } from './image/main.ts';
export { seedImage, type SeedOptions } from './image/seed.ts';
