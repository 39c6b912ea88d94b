import { expect, test } from 'vitest';
import { aFlavor, aGroup, aHost, anAggregate, anImage, aRequest, verdict } from '../testing/builders.ts';
import { aggregateExtraSpecs } from './aggregate-extra-specs.ts';
import { availabilityZone } from './availability-zone.ts';
import { computeCapabilities } from './compute-capabilities.ts';
import { computeStatus } from './compute-status.ts';
import { excludedHosts } from './excluded-hosts.ts';
import { imageProperties } from './image-properties.ts';
import { isolatedHosts } from './isolated-hosts.ts';
import { ioOps, numInstances } from './load.ts';
import { differentHost, sameHost } from './other-servers.ts';
import { disk, memory, vcpus } from './resources.ts';
import { affinity, antiAffinity } from './server-group.ts';

const specs = (extraSpecs: Record<string, string>) => aRequest({ flavor: aFlavor({ extraSpecs }) });
const isolating = isolatedHosts({ isolatedHosts: ['host-1'], isolatedImages: ['secret'], restrictIsolatedHostsToIsolatedImages: true });
const cpu = { cpu_info: { features: ['avx', 'sse'], topology: { cores: 8 } } };

test.each([
  ['a request without zone fits any host', availabilityZone, aHost(), aRequest(), 'fits'],
  ['a host of the zone fits', availabilityZone, aHost({ availabilityZone: 'az-1' }), aRequest({ availabilityZone: 'az-1' }), 'fits'],
  ['a host of another zone does not', availabilityZone, aHost(), aRequest({ availabilityZone: 'az-1' }), 'not in zone az-1'],
  ['a host that reports fits', computeStatus, aHost(), aRequest(), 'fits'],
  ['a silent host does not', computeStatus, aHost({ up: false }), aRequest(), 'not reporting'],
  ['a disabled host does not', computeStatus, aHost({ enabled: false }), aRequest(), 'disabled'],
  [
    'memory counts with the ratio',
    memory,
    aHost({ memoryMb: 1_000, memoryRatio: 1.5, memoryMbUsed: 900 }),
    aRequest({ flavor: aFlavor({ memoryMb: 600 }) }),
    'fits',
  ],
  [
    'memory counts without the reserve',
    memory,
    aHost({ memoryMb: 1_024, reservedMemoryMb: 512 }),
    aRequest({ flavor: aFlavor({ memoryMb: 2_048 }) }),
    'with 512 of 2048 MiB free',
  ],
  ['VCPUs count with the ratio', vcpus, aHost({ vcpus: 2, cpuRatio: 4, vcpusUsed: 7 }), aRequest(), 'fits'],
  ['VCPUs run out', vcpus, aHost({ vcpus: 2, vcpusUsed: 1 }), aRequest({ flavor: aFlavor({ vcpus: 2 }) }), 'with 1 of 2 VCPUs free'],
  [
    'disk is root, ephemeral and swap together',
    disk,
    aHost({ diskGb: 31 }),
    aRequest({ flavor: aFlavor({ rootGb: 20, ephemeralGb: 10, swapMb: 1_025 }) }),
    'with 31 of 32 GiB of disk free',
  ],
  [
    'a bare extra spec is looked for in aggregates',
    aggregateExtraSpecs,
    aHost({ aggregates: [anAggregate({ ssd: 'true' })] }),
    specs({ ssd: 'true' }),
    'fits',
  ],
  [
    'a scoped extra spec is looked for in aggregates',
    aggregateExtraSpecs,
    aHost({ aggregates: [anAggregate({ ssd: 'true' })] }),
    specs({ 'aggregate_instance_extra_specs:ssd': 'false' }),
    'not in an aggregate with ssd=false',
  ],
  ['a missing key fails', aggregateExtraSpecs, aHost(), specs({ ssd: 'true' }), 'not in an aggregate with ssd=true'],
  [
    'a key by the name of something that every object inherits is missing too',
    aggregateExtraSpecs,
    aHost({ aggregates: [anAggregate({ ssd: 'true' })] }),
    specs({ constructor: 'true' }),
    'not in an aggregate with constructor=true',
  ],
  [
    'a value may be a list',
    aggregateExtraSpecs,
    aHost({ aggregates: [anAggregate({ gpu: 'a100, h100' })] }),
    specs({ gpu: 'h100' }),
    'fits',
  ],
  [
    'several aggregates are searched',
    aggregateExtraSpecs,
    aHost({ aggregates: [anAggregate({ a: '1' }, 1), anAggregate({ b: '2' }, 2)] }),
    specs({ a: '1', b: '2' }),
    'fits',
  ],
  [
    'other scopes are no business of aggregates',
    aggregateExtraSpecs,
    aHost(),
    specs({ 'hw:cpu_policy': 'dedicated', hide_hypervisor_id: 'true' }),
    'fits',
  ],
  ['a bare host attribute is no business of aggregates', aggregateExtraSpecs, aHost(), specs({ hypervisor_type: 'fake' }), 'fits'],
  [
    'a capability is followed into the host',
    computeCapabilities,
    aHost({ capabilities: cpu }),
    specs({ 'capabilities:cpu_info:topology:cores': '>= 8' }),
    'fits',
  ],
  [
    'a list of features is searched',
    computeCapabilities,
    aHost({ capabilities: cpu }),
    specs({ 'capabilities:cpu_info:features': '<in> avx' }),
    'fits',
  ],
  [
    'a bare host attribute is a capability',
    computeCapabilities,
    aHost(),
    specs({ hypervisor_type: 'QEMU' }),
    'without capability hypervisor_type QEMU (has fake)',
  ],
  [
    'a capability the host lacks fails',
    computeCapabilities,
    aHost(),
    specs({ 'capabilities:gpu': '1' }),
    'without capability gpu 1 (has none)',
  ],
  [
    'a bare key that is no host attribute is ignored by capabilities',
    computeCapabilities,
    aHost(),
    specs({ coolhardware: 'true' }),
    'fits',
  ],
  [
    'an inherited name is no attribute',
    computeCapabilities,
    aHost(),
    specs({ 'capabilities:constructor': 'x' }),
    'without capability constructor x (has none)',
  ],
  ['an image without wishes fits', imageProperties, aHost(), aRequest({ image: anImage({}) }), 'fits'],
  [
    'an image wants an architecture',
    imageProperties,
    aHost(),
    aRequest({ image: anImage({ hw_architecture: 'aarch64' }) }),
    'not supporting aarch64 as the image requires',
  ],
  ['an image wants a vm mode in any case', imageProperties, aHost(), aRequest({ image: anImage({ hw_vm_mode: 'HVM' }) }), 'fits'],
  [
    'an image wants a hypervisor version',
    imageProperties,
    aHost({ hypervisorVersion: 2_010_000 }),
    aRequest({ image: anImage({ img_hv_requested_version: '>=2.10, <3.0' }) }),
    'fits',
  ],
  ['an isolated image runs on an isolated host', isolating, aHost(), aRequest({ image: anImage({}, 'secret') }), 'fits'],
  ['another image does not', isolating, aHost(), aRequest({ image: anImage({}) }), 'kept for isolated images'],
  [
    'an isolated image runs nowhere else',
    isolating,
    aHost({ host: 'host-2' }),
    aRequest({ image: anImage({}, 'secret') }),
    'not isolated, as the image requires',
  ],
  [
    'a host that failed is not tried again, nor one that has the server',
    excludedHosts,
    aHost(),
    aRequest({ excludedHosts: ['host-1'] }),
    'with the server on it or tried before',
  ],
  [
    'a requested host that failed is not tried again',
    excludedHosts,
    aHost(),
    aRequest({ excludedHosts: ['host-1'], requestedHost: 'host-1' }),
    'already tried',
  ],
  [
    'of any other host than the requested one it does not matter why it is excluded',
    excludedHosts,
    aHost(),
    aRequest({ excludedHosts: ['host-1'], requestedHost: 'host-2' }),
    'not the requested host host-2',
  ],
  ['a requested host excludes others', excludedHosts, aHost(), aRequest({ requestedHost: 'host-2' }), 'not the requested host host-2'],
  ['affinity: the first member may go anywhere', affinity, aHost(), aRequest({ group: aGroup({ policy: 'affinity' }) }), 'fits'],
  [
    'affinity: others follow it',
    affinity,
    aHost(),
    aRequest({ group: aGroup({ policy: 'affinity', membersByHost: { 'host-2': 1 } }) }),
    'without a member of server group group-1 (affinity)',
  ],
  [
    'anti-affinity: a member is in the way',
    antiAffinity,
    aHost(),
    aRequest({ group: aGroup({ policy: 'anti-affinity', membersByHost: { 'host-1': 1 } }) }),
    'with 1 or more of server group group-1 (anti-affinity)',
  ],
  [
    'anti-affinity: the limit may be higher',
    antiAffinity,
    aHost(),
    aRequest({ group: aGroup({ policy: 'anti-affinity', maxServersPerHost: 2, membersByHost: { 'host-1': 1 } }) }),
    'fits',
  ],
  [
    'different_host keeps away',
    differentHost,
    aHost(),
    aRequest({ differentHosts: ['host-1'] }),
    'with a server that the hint different_host names',
  ],
  ['same_host goes there', sameHost, aHost(), aRequest({ sameHosts: ['host-2'] }), 'without a server that the hint same_host names'],
  ['too many I/O operations', ioOps(8), aHost({ ioOps: 8 }), aRequest(), 'with 8 of at most 8 I/O operations'],
  ['no limit is configured', ioOps(0), aHost({ ioOps: 1_000 }), aRequest(), 'fits'],
  [
    'an aggregate allows fewer I/O operations',
    ioOps(8),
    aHost({ ioOps: 2, aggregates: [anAggregate({ max_io_ops_per_host: '2' })] }),
    aRequest(),
    'with 2 of at most 2 I/O operations',
  ],
  [
    'an aggregate allows more instances',
    numInstances(1),
    aHost({ instances: 1, aggregates: [anAggregate({ max_instances_per_host: '2' })] }),
    aRequest(),
    'fits',
  ],
])('%s', (_title, filter, host, request, expected) => {
  expect(verdict(filter, host, request)).toBe(expected);
});
