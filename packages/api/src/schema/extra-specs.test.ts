import { expect, test } from 'vitest';
import { checkExtraSpecs } from './extra-specs.ts';

test.each([
  { 'hw:numa_nodes': '2' },
  { 'hw:numa_mem.0': '512' },
  { 'hw:cpu_policy': 'dedicated' },
  { 'capabilities:cpu_info:vendor': 'Intel' },
  { 'aggregate_instance_extra_specs:ssd': 'true' },
  { 'trait:CUSTOM_GOLD': 'required' },
  { 'resources1:VCPU': '2' },
  { coolhardware: 'true' },
  { 'acme:anything': 'goes' },
])('%o is taken', (specs) => {
  expect(() => checkExtraSpecs(specs as unknown as Record<string, string>)).not.toThrow();
});

test.each([
  { specs: { 'hw:numa_nodes': 'two' }, text: 'expected an integer' },
  { specs: { 'hw:numa_nodes': '0' }, text: 'expected at least 1' },
  { specs: { 'hw:cpu_policy': 'sharred' }, text: 'expected one of dedicated, shared, mixed' },
  { specs: { 'hw:numa_nodez': '2' }, text: "extra spec 'hw:numa_nodez' does not appear to be a valid extra spec" },
  { specs: { 'trait:CUSTOM_GOLD': 'maybe' }, text: 'expected one of required, forbidden' },
])('$specs is refused', ({ specs, text }) => {
  expect(() => checkExtraSpecs(specs as unknown as Record<string, string>)).toThrow(text);
});
