/** The sections of the configuration, apart: to read them nothing else of this package is loaded. */
export { identitySection } from './identity/config.ts';
export { imageSection } from './image/config.ts';
