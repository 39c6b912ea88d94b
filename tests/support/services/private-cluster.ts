import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { areFree, freePorts } from './free-port.ts';
import { EPMD, GUARD, installedRabbitmq, nodeName, PrivateBroker } from './private-broker.ts';

const NODES = 3;
const PORTS_OF_A_NODE = 4;
const WAIT_MS = 60_000;
const POLL_MS = 100;

/** Three RabbitMQ nodes of one cluster, each a process group that can be killed by itself. A cold start takes some twenty seconds. */
export class PrivateCluster {
  readonly nodes: readonly PrivateBroker[];
  private readonly epmd: ChildProcess;

  private constructor(nodes: readonly PrivateBroker[], epmd: ChildProcess) {
    this.nodes = nodes;
    this.epmd = epmd;
  }

  /** Throws when RabbitMQ is not installed, or does not form a cluster. */
  static async start(dir: string): Promise<PrivateCluster> {
    const sbin = installedRabbitmq();
    if (sbin === undefined) throw new Error('rabbitmq-server is not installed');
    const first = await freePorts(NODES * PORTS_OF_A_NODE + 1);
    const ports = Array.from({ length: NODES }, (_, index) => first + index * PORTS_OF_A_NODE);
    const epmdPort = first + NODES * PORTS_OF_A_NODE;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // Common to the nodes, and so not in the group of any of them.
    const epmd = spawn('sh', ['-c', `${GUARD} exec ${EPMD}`], {
      env: { PATH: process.env['PATH'], ERL_EPMD_PORT: String(epmdPort) },
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    epmd.stdin?.on('error', () => undefined);
    const nodes: PrivateBroker[] = [];
    const cluster = new PrivateCluster(nodes, epmd);
    try {
      for (let waited = 0; (await areFree([epmdPort])) && waited < WAIT_MS; waited += POLL_MS) await pause(POLL_MS);
      const config = () => ports.map((port, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(port)}`);
      const start = (port: number) =>
        PrivateBroker.start(join(dir, `node-${port}`), { config, member: { home: dir, epmdPort, port } }).then((node) => nodes.push(node));
      // The first makes the cookie and is there to be joined.
      for (const port of ports.slice(0, 1)) await start(port);
      await Promise.all(ports.slice(1).map(start));
      nodes.sort((one, other) => one.tlsPort - other.tlsPort);
      await cluster.whole();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Settles when all nodes run in one cluster. */
  async whole(): Promise<void> {
    let seen = '';
    for (let waited = 0; waited < WAIT_MS; waited += POLL_MS) {
      seen = await (this.nodes[0] as PrivateBroker).ctl(['eval', 'length(rabbit_nodes:all_running()).']).catch(String);
      if (Number(seen) === NODES) return;
      await pause(POLL_MS);
    }
    throw new Error(`expected ${NODES} nodes in one cluster, found ${seen}`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    if (this.epmd.pid === undefined) return;
    try {
      process.kill(-this.epmd.pid, 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
}
