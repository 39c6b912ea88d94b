import { keptTest, type HostFilter } from '../filter.ts';

export interface Isolation {
  readonly isolatedHosts: readonly string[];
  readonly isolatedImages: readonly string[];
  /** Other images keep off isolated hosts. */
  readonly restrictIsolatedHostsToIsolatedImages: boolean;
}

/** Isolated images go to isolated hosts only and, unless switched off, nothing else does. */
export const isolatedHosts = ({ isolatedHosts: names, isolatedImages, restrictIsolatedHostsToIsolatedImages }: Isolation): HostFilter => {
  const isolated = new Set(names);
  const isIsolated = (imageId: string | undefined) => imageId !== undefined && isolatedImages.includes(imageId);
  return {
    name: 'isolated_hosts',
    compile({ image }, { hosts }) {
      if (names.length === 0 && isolatedImages.length === 0) return undefined;
      if (isIsolated(image?.id)) return keptTest(hosts, 'isolated', ({ host }) => isolated.has(host));
      return restrictIsolatedHostsToIsolatedImages ? keptTest(hosts, 'not isolated', ({ host }) => !isolated.has(host)) : undefined;
    },
    why: (_host, { image }) => (isIsolated(image?.id) ? 'not isolated, as the image requires' : 'kept for isolated images'),
  };
};
