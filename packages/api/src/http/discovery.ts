import { FIRST, LATEST, versionText } from '../microversion/microversion.ts';

/** The documents that clients read first, without a token (Compute API, "Versions"). */
interface Entry {
  readonly id: string;
  readonly status: string;
  readonly version: string;
  readonly min_version: string;
  readonly updated: string;
  readonly links: readonly object[];
}

const described = { href: 'http://docs.openstack.org/', rel: 'describedby', type: 'text/html' };
const mediaTypes = (version: string) => [{ base: 'application/json', type: `application/vnd.openstack.compute+json;version=${version}` }];

const legacy = (root: string): Entry => ({
  id: 'v2.0',
  status: 'DEPRECATED',
  version: '',
  min_version: '',
  updated: '2025-07-04T12:00:00Z',
  links: [{ href: `${root}/v2/`, rel: 'self' }],
});

const current = (root: string): Entry => ({
  id: 'v2.1',
  status: 'CURRENT',
  version: versionText(LATEST),
  min_version: versionText(FIRST),
  updated: '2013-07-23T11:33:21Z',
  links: [{ href: `${root}/v2.1/`, rel: 'self' }],
});

export const versionList = (root: string): object => ({ versions: [legacy(root), current(root)] });

/** The document of one endpoint: v2.1 or v2. */
export function versionDocument(root: string, endpoint: string): object {
  const entry = endpoint === 'v2' ? legacy(root) : current(root);
  return { version: { ...entry, links: [...entry.links, described], 'media-types': mediaTypes(endpoint === 'v2' ? '2' : '2.1') } };
}

/** For any other path without a version: where it could be found. */
export const choices = (root: string, path: string): object => ({
  choices: [
    { ...choice('v2.0', 'SUPPORTED', '2'), links: [{ href: `${root}/v2${path}`, rel: 'self' }] },
    { ...choice('v2.1', 'CURRENT', '2.1'), links: [{ href: `${root}/v2.1${path}`, rel: 'self' }] },
  ],
});

const choice = (id: string, status: string, version: string) => ({ id, status, 'media-types': mediaTypes(version) });
