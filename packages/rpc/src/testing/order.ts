// Classes that the codec is tried with.
import { Exclude, Expose, Type } from '../index.ts';

@Exclude()
export class Disk {
  @Expose() gb!: number;
  @Expose({ since: 3 }) kind = 'image';
}

@Exclude()
class Base {
  @Expose() uuid!: string;
}

@Exclude()
export class Order extends Base {
  @Expose() zone: string | null = null;
  @Expose() @Type(() => Disk) root!: Disk;
  @Expose() @Type(() => Disk) disks: Disk[] = [];
  @Expose() @Type(() => Disk) swap: Disk | null = null;
  @Expose({ since: 2 }) excluded: string[] = [];
  @Expose({ since: 1, until: 3 }) hint = 'none';
  @Expose({ name: 'tag_list' }) tags: Record<string, string> = {};
  @Expose() wanted = true;
  /** Stays at home. */
  secret = 'not for the wire';
}

@Exclude()
export class Late {
  @Expose({ since: 10 }) late = 'yes';
}

/** Without the decorator that hides what is not exposed. */
export class Open {
  @Expose() field = 1;
}

@Exclude()
export class Dated {
  @Expose() @Type(() => Date) at!: Date;
}

@Exclude()
export class Halves {
  @Expose({ since: 1.5 }) field = 1;
}

@Exclude()
export class Labels {
  @Expose() words: string[] = [];
  @Expose() kept: string[] = ['a'];
  @Expose() labels: Record<string, string> = {};
  @Expose() text: string | null = null;
  @Expose() size: number = 0;
  @Expose() large: boolean = false;
  @Expose() @Type(() => Disk) disk: Disk | null = null;
  @Expose() anything!: unknown;
}

@Exclude()
export class Note {
  @Expose() @Type(() => String) text!: string;
}

@Exclude()
export class Parcel {
  @Expose() @Type(() => Labels) labels!: Labels;
  @Expose() @Type(() => Note) note: Note | null = null;
}
