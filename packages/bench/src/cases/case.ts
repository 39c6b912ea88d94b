/** What a case is: what to do, how much of it, and which figures it should reach. */

interface Sized {
  /** A case that runs longer is ended there, and says so. */
  readonly timeLimitSeconds: number;
}

/** Servers are made at a concurrency, waited for, and deleted until they are gone. */
export interface BootWork extends Sized {
  readonly kind: 'boot';
  readonly servers: number;
  readonly concurrency: number;
  /** Between two looks at the list of what became ACTIVE, or was gone. */
  readonly tickMs: number;
}

/** One server after the other on an idle system, each to ACTIVE and to gone. */
export interface SingleWork extends Sized {
  readonly kind: 'single';
  readonly servers: number;
  readonly tickMs: number;
}

/** One request for all servers. */
export interface MultibootWork extends Sized {
  readonly kind: 'multiboot';
  readonly servers: number;
  readonly tickMs: number;
}

/** Each kind of reading, alone, at each concurrency. */
export interface ApiWork extends Sized {
  readonly kind: 'api';
  /** How many servers the project holds at least; missing ones are made, and deleted afterwards. */
  readonly servers: number;
  readonly concurrencies: readonly number[];
  /** For each reading at each concurrency. */
  readonly seconds: number;
}

/** Lists of a large cloud, single servers and creates, all at the same time. */
export interface LargeWork extends Sized {
  readonly kind: 'large';
  /** How many servers there are at the least; fewer are a note beside the result. */
  readonly servers: number;
  /** Creates under way at a time. */
  readonly concurrency: number;
  /** Between the beginnings of two lists of a kind, or two creates of one worker; 0: as soon as the last is answered. */
  readonly listEveryMs: number;
  readonly createEveryMs: number;
  readonly seconds: number;
  readonly pageSize: number;
}

/** A scheduler in this process: it loads its snapshot, then places; each placement is applied to the snapshot. */
export interface SchedulerWork extends Sized {
  readonly kind: 'scheduler';
  readonly hosts: number;
  readonly mix: MixName;
  readonly seconds: number;
}
export type MixName = 'plain' | 'anti-affinity' | 'varied';

/** Agents with a connection each: at rest, and when all connections are cut at once. */
export interface AgentsWork extends Sized {
  readonly kind: 'agents';
  readonly agents: number;
  readonly heartbeatMs: number;
  /** How long they are left alone after the start: in their first minute hosts tell what runs on them. */
  readonly settleSeconds: number;
  /** How long they rest. */
  readonly seconds: number;
  /** Connections that are opened at the same time at the start, by agents and by plain amqplib alike. */
  readonly concurrency: number;
}

/** The watched processes at rest. */
export interface IdleWork extends Sized {
  readonly kind: 'idle';
  readonly seconds: number;
}

/** Asks until a cloud that is starting has made a server ACTIVE. */
export interface FirstWork extends Sized {
  readonly kind: 'first';
  readonly tickMs: number;
}

/** What broker and database do by hand. */
export interface MachineWork extends Sized {
  readonly kind: 'machine';
  /** Questions under way at a time, and clients of the database. */
  readonly concurrency: number;
  /** For each rate. */
  readonly seconds: number;
}

export type Work =
  | MachineWork
  | IdleWork
  | FirstWork
  | BootWork
  | SingleWork
  | MultibootWork
  | ApiWork
  | LargeWork
  | SchedulerWork
  | AgentsWork;
export type WorkKind = Work['kind'];

/** What a figure should reach. With `or`, one of both is enough. */
export type Target = { readonly figure: string; readonly or?: Target } & ({ readonly atMost: number } | { readonly atLeast: number });

export interface BenchCase {
  readonly name: string;
  readonly summary: string;
  readonly work: Work;
  /** What `--small` and the tests make of it; targets do not count there. */
  readonly small: Readonly<Record<string, unknown>>;
  readonly targets: readonly Target[];
  /** In which sizes it differs from the one that its targets are for: `agents 1000, not 10000`. */
  readonly resized?: readonly string[];
}
