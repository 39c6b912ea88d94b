import type { HostState, Image } from '@kilonova/objects';
import { keptTest, type HostFilter } from '../filter.ts';
import { satisfies } from './operators.ts';

const VERSION = 'img_hv_requested_version';

/** Architecture, hypervisor type and vm mode, as hosts list what they support. */
const wantedBy = (image: Image | null): (string | undefined)[] => {
  const property = (name: string) => image?.properties[name]?.toLowerCase();
  return [property('hw_architecture'), property('img_hv_type'), property('hw_vm_mode')];
};

/** `>=2.0, <3.0` against a version number like 2010000 (major, minor and micro with three digits each). */
const versionHolds = (version: number, requirements: string) =>
  requirements.split(',').every((requirement) => {
    const [, operator = '==', wanted = ''] = /^\s*(<=|>=|==|!=|<|>)?\s*([\d.]+)\s*$/.exec(requirement) ?? [];
    const [major = 0, minor = 0, micro = 0] = wanted.split('.').map(Number);
    const want = major * 1_000_000 + minor * 1_000 + micro;
    if (operator === '<') return version < want;
    if (operator === '>') return version > want;
    return satisfies(String(version), `${operator} ${want}`);
  });

const supports = (host: HostState, wanted: readonly (string | undefined)[], version: string | undefined) =>
  host.supportedInstances.some((offered) => wanted.every((value, at) => value === undefined || offered[at]?.toLowerCase() === value)) &&
  (version === undefined || versionHolds(host.hypervisorVersion, version));

/** The host can run what the image says it needs. */
export const imageProperties: HostFilter = {
  name: 'image_properties',
  compile({ image }, { hosts }) {
    const wanted = wantedBy(image);
    const version = image?.properties[VERSION];
    if (version === undefined && wanted.every((value) => value === undefined)) return undefined;
    return keptTest(hosts, `image ${JSON.stringify([wanted, version])}`, (host) => supports(host, wanted, version));
  },
  why(_host, { image }) {
    const wanted = [...wantedBy(image), image?.properties[VERSION]].filter((value) => value !== undefined);
    return `not supporting ${wanted.join(' ')} as the image requires`;
  },
};
