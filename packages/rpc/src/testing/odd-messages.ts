// Message classes, most of which cannot be what they say.
import { call, defineContract, Empty, Exclude, Expose, Type } from '../index.ts';
import { Disk } from './order.ts';

@Exclude()
export class WithMap {
  @Expose() counts: Map<string, number> = new Map();
}

@Exclude()
export class WithTypedMap {
  @Expose() @Type(() => Disk) disks: Map<string, Disk> = new Map();
}

@Exclude()
export class WithSet {
  @Expose() names: Set<string> = new Set();
}

@Exclude()
export class WithDate {
  @Expose() at: Date = new Date(0);
}

@Exclude()
export class WithBigint {
  @Expose() size = 1n;
}

@Exclude()
export class WithUntyped {
  @Expose() disk = new Disk();
}

@Exclude()
export class WithRecord {
  @Expose() labels: Record<string, string> = {};
  @Expose() none: Record<string, string> = Object.create(null) as Record<string, string>;
  @Expose() bytes = new Uint8Array();
}

@Exclude()
export class Grown {
  @Expose() text!: string;
  @Expose({ since: 2 }) size!: number;
}

@Exclude()
export class Around {
  @Expose() @Type(() => Grown) inner!: Grown;
}

@Exclude()
export class AroundLater {
  @Expose({ since: 2 }) @Type(() => Grown) inner: Grown | null = null;
}

@Exclude()
export class Noted {
  @Expose() at!: string;
}

@Exclude()
export class Anything {
  @Expose() value!: unknown;
  @Expose() labels: Record<string, string> = {};
}

@Exclude()
class Early {
  @Expose() @Type(() => Later) later!: object;
}
/** Defined before all of its classes are there. */
export const early = defineContract({
  topic: 'early',
  version: '1.0',
  methods: { ask: call({ since: '1.0', request: Early, response: Empty }) },
});
class Later {
  @Expose() field = 1;
}
