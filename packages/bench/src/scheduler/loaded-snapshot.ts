import { conductorContract, HostDigest, type HostState } from '@kilonova/objects';
import { createClient, defineContract, InProcessBroker, serve } from '@kilonova/rpc';
import { defaultsOf, silentLogger, type Clock } from '@kilonova/runtime';
import { schedulerSection, Snapshot } from '@kilonova/scheduler';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** The part of the conductor that a scheduler needs to load. */
const { listHostStates, getHostDigest } = conductorContract.methods;
const hostsPart = defineContract({ ...conductorContract, methods: { listHostStates, getHostDigest } });

/** As the conductor streams them. */
const PIECE = 100;
const LOOK_MS = 5;

export interface LoadedSnapshot {
  readonly snapshot: Snapshot;
  /** Over the wire format, both ends in this process. */
  readonly seconds: number;
  /** What it keeps after a collection of garbage; MB of a million bytes. */
  readonly megabytes: number;
}

/** A scheduler's snapshot, loaded through a transport from a conductor that makes up its hosts as it tells them. */
export async function loadSnapshot(
  { hosts, hostAt }: { readonly hosts: number; readonly hostAt: (index: number) => HostState },
  clock: Clock,
  signal: AbortSignal,
  onProgress: (loaded: number) => void,
): Promise<LoadedSnapshot> {
  const broker = new InProcessBroker();
  const far = broker.connect({ service: 'conductor', id: 'bench' });
  const near = broker.connect({ service: 'scheduler', id: 'bench' });
  const server = await serve(far, hostsPart, {
    async *listHostStates() {
      for (let first = 0; first < hosts; first += PIECE)
        yield Array.from({ length: Math.min(PIECE, hosts - first) }, (_, index) => hostAt(first + index));
    },
    getHostDigest: () => Object.assign(new HostDigest(), { hosts, revisions: hosts }),
  });
  try {
    const before = keptBytes();
    const snapshot = new Snapshot(createClient(near, conductorContract), clock, silentLogger, defaultsOf(schedulerSection));
    const began = clock.monotonic();
    snapshot.reload('bench');
    while (!snapshot.ready) {
      onProgress(snapshot.hosts.size);
      await clock.sleep(LOOK_MS, signal);
    }
    const seconds = (clock.monotonic() - began) / 1_000;
    snapshot.stop();
    return { snapshot, seconds, megabytes: Math.max(0, keptBytes() - before) / 1_000_000 };
  } finally {
    await server.stop();
    await Promise.all([near.close(), far.close()]);
  }
}

/** What is in use once what nobody needs is gone. */
function keptBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
