import { call, Empty, Exclude, Expose, stream, Type } from '@kilonova/rpc';
import { Keypair } from '../../objects/keypair.ts';
import { Scope } from '../../objects/scope.ts';

/** Key pairs belong to a user, not to a project; `userId` is the scope's user unless an administrator names another. */
@Exclude()
export class ListKeypairs {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() userId!: string;
  /** A name. */
  @Expose() marker: string | null = null;
  @Expose() limit!: number;
}

@Exclude()
export class KeypairRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() userId!: string;
  @Expose() name!: string;
}

@Exclude()
export class CreateKeypair extends KeypairRef {
  @Expose() type: string = 'ssh';
  @Expose() publicKey!: string;
  @Expose() fingerprint!: string;
}

export const keypairMethods = {
  listKeypairs: stream({ since: '1.0', request: ListKeypairs, item: Keypair }),
  getKeypair: call({ since: '1.0', request: KeypairRef, response: Keypair, idempotent: true }),
  createKeypair: call({ since: '1.0', request: CreateKeypair, response: Keypair }),
  deleteKeypair: call({ since: '1.0', request: KeypairRef, response: Empty }),
};
