export { apiSection, authSection, imageClientSection } from './config.ts';
export type { ApiConfig, AuthConfig, ImageClientConfig } from './config.ts';
export { Identity } from './identity/identity.ts';
export { startApi } from './main.ts';
export type { ApiOptions } from './main.ts';
