import {
  createClient,
  Empty,
  PeerPin,
  type CallMethod,
  type ClientOptions,
  type Contract,
  type PeerPinOptions,
  type Transport,
} from '@kilonova/rpc';
import { version } from '../history.ts';
import type { ConductorVersion } from '../objects/service.ts';

export interface ConductorPinOptions extends Pick<PeerPinOptions, 'clock' | 'everyMs'> {
  readonly transport: Transport;
  /** By which it asks: the conductor's, or the hosts' one. */
  readonly contract: Contract<{ readonly oldestConductor: CallMethod<Empty, ConductorVersion> }>;
  /** What an operator said; then nobody is asked. */
  readonly given: string | (() => string) | undefined;
  readonly onMove: (from: string, to: string) => void;
}

/** What a process without a database speaks to the conductors. */
export interface ConductorPin {
  /** For its clients. */
  readonly options: Pick<ClientOptions, 'pin' | 'onOlderPeer'>;
  /** Asks the conductors for the oldest of them, and goes on as long as that is older than this process. Settles with the first answer, or without one. */
  ask(): Promise<void>;
  stop(): void;
}

export function conductorPin({ transport, contract, given, ...rest }: ConductorPinOptions): ConductorPin {
  if (given !== undefined) return { options: { pin: given }, ask: async () => undefined, stop: () => undefined };
  const { oldestConductor } = contract.methods;
  // In the form that brought the question: whoever knows it answers, and a refusal is an answer too.
  const asking = createClient(transport, { ...contract, methods: { oldestConductor } }, { pin: oldestConductor.since });
  const pin = new PeerPin({ ...rest, own: version, ask: async () => (await asking.oldestConductor(new Empty())).oldest });
  return { options: { pin: pin.pin, onOlderPeer: pin.onOlderPeer }, ask: () => pin.ask(), stop: () => pin.stop() };
}
