import { Exclude } from './decorators.ts';

/** The request or the answer of nothing. */
export class Empty {}
Exclude()(Empty);
