import { Exclude, Expose, Type } from '../index.ts';

@Exclude()
export class Stated {
  @Expose() @Type(() => String) text!: string;
}

/** The same on the wire, but nothing says that it is a text whatever compiles it. */
@Exclude()
export class Unstated {
  @Expose() text: unknown;
}
