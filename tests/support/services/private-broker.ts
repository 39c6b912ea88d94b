import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker } from './broker.ts';
import { answersAmqp, freePorts } from './free-port.ts';
import { runTool } from './run-tool.ts';

/** Debian's and the vendor's packages put the real programs here; the ones in sbin insist on the account rabbitmq. */
const PACKAGE_FOLDERS = ['/usr/lib/rabbitmq/lib', '/opt/rabbitmq', '/usr/local/lib/rabbitmq', '/opt/homebrew/opt/rabbitmq'];
/** Ends the process group when the pipe at its input closes. */
export const GUARD = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } & exec 3<&-;';
export const EPMD = 'epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT"';
const START_TIMEOUT_MS = 90_000;
const STOP_GRACE_MS = 8_000;
const POLL_MS = 50;

export interface PrivateBrokerOptions {
  /** More lines of rabbitmq.conf, given the first of four ports that are this broker's. */
  readonly config?: (port: number) => readonly string[];
  readonly plugins?: readonly string[];
  /** For a node of a cluster: the folder of the common cookie, the common epmd, which runs already, and the node's four ports. */
  readonly member?: { readonly home: string; readonly epmdPort: number; readonly port: number };
}

/** The node's name, by the first of its ports. */
export const nodeName = (port: number) => `kilonova${port}@localhost`;

/** The folder of RabbitMQ's own programs, or undefined when it is not installed. */
export function installedRabbitmq(): string | undefined {
  for (const folder of PACKAGE_FOLDERS) {
    const candidates = [folder, ...foldersIn(folder).map((name) => join(folder, name))];
    const found = candidates.map((base) => join(base, 'sbin')).find((sbin) => foldersIn(sbin).includes('rabbitmq-server'));
    if (found !== undefined) return found;
  }
  return undefined;
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * A RabbitMQ with its own node name, ports, cookie, data and epmd, started from an installed package: nothing of it is
 * shared with a broker that the machine may run. It is one process group, and ends with this process even when that
 * is killed: a guard in the group reads a pipe that we hold open.
 */
export class PrivateBroker implements Broker {
  readonly how: string;
  readonly url: string;
  /** Its name among other nodes. */
  readonly node: string;
  /** Where its TLS listener is to be, if `config` asks for one. */
  readonly tlsPort: number;
  private readonly env: NodeJS.ProcessEnv;
  private group: ChildProcess | undefined;

  private readonly sbin: string;
  private readonly dir: string;
  private readonly port: number;
  private readonly ownEpmd: boolean;

  private constructor(sbin: string, dir: string, port: number, member: PrivateBrokerOptions['member']) {
    this.sbin = sbin;
    this.dir = dir;
    this.port = port;
    this.node = nodeName(port);
    this.tlsPort = port + 3;
    this.ownEpmd = member === undefined;
    this.how = `private RabbitMQ of ${sbin} on port ${port}`;
    this.url = `amqp://guest:guest@127.0.0.1:${port}`;
    this.env = {
      PATH: `${sbin}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
      LANG: 'C.UTF-8',
      HOME: member?.home ?? dir, // where the cookie is made
      ERL_EPMD_PORT: String(member?.epmdPort ?? port + 2),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: this.node,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(port + 1),
      RABBITMQ_MNESIA_BASE: join(dir, 'data'),
      RABBITMQ_LOG_BASE: join(dir, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'plugins'),
      RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(dir, 'advanced.config'),
      RABBITMQ_CONF_ENV_FILE: join(dir, 'environment'),
      RABBITMQ_PID_FILE: join(dir, 'pid'),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    };
  }

  /** Throws when it is not installed or does not start; the reason holds the end of what it said. */
  static async start(dir: string, { config = () => [], plugins = [], member }: PrivateBrokerOptions = {}): Promise<PrivateBroker> {
    const sbin = installedRabbitmq();
    if (sbin === undefined) throw new Error('rabbitmq-server is not installed');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'plugins'), `[${plugins.join(',')}].\n`);
    writeFileSync(join(dir, 'environment'), '');
    const port = member?.port ?? (await freePorts(4));
    writeFileSync(
      join(dir, 'rabbitmq.conf'),
      [
        'loopback_users = none',
        'log.file = false',
        'log.console = true',
        'log.console.level = warning',
        'disk_free_limit.absolute = 50MB',
        'cluster_formation.peer_discovery_backend = classic_config',
        ...config(port),
        '',
      ].join('\n'),
    );
    const broker = new PrivateBroker(sbin, dir, port, member);
    await broker.start();
    return broker;
  }

  /** Starts it again, on the same port and data. Nothing to do when it runs. */
  async start(): Promise<void> {
    if (this.running) return;
    const log = openSync(this.logFile, 'a');
    // epmd in the foreground, as one of the group: the one that erl starts by itself is a daemon that stays for ever.
    const epmd = this.ownEpmd ? `${EPMD} & ` : '';
    const script = `${GUARD} ${epmd}exec rabbitmq-server`;
    const group = spawn('sh', ['-c', script], { cwd: this.dir, env: this.env, detached: true, stdio: ['pipe', log, log] });
    closeSync(log);
    group.once('error', () => undefined); // told below by its absence
    group.stdin?.on('error', () => undefined);
    this.group = group;
    for (let waited = 0; this.running && waited < START_TIMEOUT_MS; waited += POLL_MS) {
      if (await answersAmqp(this.port)) return;
      await pause(POLL_MS);
    }
    const reason = this.running ? `does not answer on port ${this.port} after ${START_TIMEOUT_MS} ms` : 'ended while it started';
    await this.kill();
    throw new Error(`RabbitMQ ${reason}: ${this.log().slice(-2_000).trim()}`);
  }

  /** As a power cut would: no goodbye to anybody. */
  kill(): Promise<void> {
    return this.end('SIGKILL', STOP_GRACE_MS);
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM', STOP_GRACE_MS);
  }

  ctl(args: readonly string[], input?: string): Promise<string> {
    return runTool(join(this.sbin, 'rabbitmqctl'), ['--quiet', '--node', String(this.env['RABBITMQ_NODENAME']), ...args], {
      env: this.env,
      ...(input !== undefined && { input }),
    });
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  private get logFile(): string {
    return join(this.dir, 'broker.log');
  }

  get running(): boolean {
    return this.group !== undefined && this.group.pid !== undefined && this.group.exitCode === null && this.group.signalCode === null;
  }

  private async end(signal: NodeJS.Signals, graceMs: number): Promise<void> {
    const { group } = this;
    if (group?.pid === undefined) return;
    if (this.running) {
      const gone = new Promise((settle) => group.once('exit', settle));
      if (signal === 'SIGTERM') group.kill('SIGTERM'); // the node alone; its epmd and guard follow below
      else signalGroup(group.pid, 'SIGKILL');
      await Promise.race([gone, pause(graceMs, undefined, { ref: false })]);
    }
    signalGroup(group.pid, 'SIGKILL');
    for (let waited = 0; signalGroup(group.pid, 0) && waited < graceMs; waited += POLL_MS) await pause(POLL_MS);
    this.group = undefined;
  }
}

/** False when no process of the group is left. */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-leader, signal);
  } catch {
    return false;
  }
}
