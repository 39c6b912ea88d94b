export { computeSection, type ComputeConfig, type ComputeOptions } from './config.ts';
export { canMove, NoSuchDomain, type Bound, type Domain, type Driver, type MigrateOut, type Moves, type Target } from './driver/driver.ts';
export { fakeSection, type Capacity, type FakeConfig } from './driver/fake/config.ts';
export { FakeDriver } from './driver/fake/fake-driver.ts';
export type { FaultRule } from './driver/fake/faults.ts';
export { JournalDamaged } from './journal/frame.ts';
export type { JournalStorage } from './journal/storage.ts';
export { startCompute, type ComputeParts } from './main.ts';
