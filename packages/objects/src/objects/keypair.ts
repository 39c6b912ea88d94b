import { Exclude, Expose } from '@kilonova/rpc';

/** The public half of a key that a user logs in with. */
@Exclude()
export class Keypair {
  @Expose() id!: number;
  @Expose() userId!: string;
  @Expose() name!: string;
  /** ssh or x509 */
  @Expose() type: string = 'ssh';
  @Expose() publicKey!: string;
  @Expose() fingerprint!: string;
  @Expose() createdAt!: string;
}
