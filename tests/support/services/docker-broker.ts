import type { StartedTestContainer } from 'testcontainers';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { answers, answersAmqp, freePorts } from './free-port.ts';
import type { Broker } from './broker.ts';
import { setTimeout as pause } from 'node:timers/promises';

const IMAGE = process.env['KILONOVA_TEST_RABBITMQ_IMAGE'] || 'rabbitmq:4';
const PULL_AND_START_MS = 180_000;

/** Whether a Docker daemon answers on a socket, asked as its clients ask (`/_ping`). Only a `docker` program is no Docker. */
export async function dockerAnswers(): Promise<boolean> {
  const named = process.env['DOCKER_HOST'];
  if (named !== undefined && !named.startsWith('unix://')) return true; // a far one: its start will tell
  const sockets =
    named === undefined ? ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')] : [named.slice('unix://'.length)];
  for (const socket of sockets) if (existsSync(socket) && (await answersPing(socket))) return true;
  return false;
}

const answersPing = (path: string) =>
  answers({ path }, 'GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n', (first) => /^HTTP\/1\.[01] 200/.test(first.toString('latin1')));

/** RabbitMQ in a container with a fixed port, so that it has the same address after a kill. */
export class DockerBroker implements Broker {
  readonly how: string;
  readonly url: string;
  private readonly container: StartedTestContainer;
  private readonly port: number;
  private readonly host: string;

  private constructor(container: StartedTestContainer, port: number) {
    this.container = container;
    this.port = port;
    this.host = container.getHost();
    this.url = `amqp://guest:guest@${this.host}:${port}`;
    this.how = `${IMAGE} in Docker on port ${port}`;
  }

  static async start(): Promise<DockerBroker> {
    const { GenericContainer, Wait } = await import('testcontainers'); // heavy, and refuses older Node
    const port = await freePorts(1);
    const starting = new GenericContainer(IMAGE)
      .withExposedPorts({ container: 5672, host: port })
      .withEnvironment({ RABBITMQ_NODENAME: 'kilonova@localhost' })
      .withCopyContentToContainer([{ content: 'loopback_users = none\n', target: '/etc/rabbitmq/conf.d/90-tests.conf' }])
      .withWaitStrategy(Wait.forLogMessage(/Server startup complete/))
      .withStartupTimeout(PULL_AND_START_MS)
      .start();
    // A pull through a network that swallows packets has no limit of its own. What comes up late is ended by testcontainers' reaper.
    const container = await Promise.race([starting, pause(PULL_AND_START_MS, undefined, { ref: false })]);
    if (container === undefined) throw new Error(`${IMAGE} is not pulled and started within ${PULL_AND_START_MS} ms`);
    return new DockerBroker(container, port);
  }

  async start(): Promise<void> {
    await (await this.handle()).start();
    for (let attempt = 0; attempt < 600; attempt += 1) {
      if (await answersAmqp(this.port, this.host)) return;
      await pause(100);
    }
    throw new Error(`RabbitMQ in Docker does not answer on port ${this.port} again`);
  }

  async kill(): Promise<void> {
    await (await this.handle()).kill();
  }

  async stop(): Promise<void> {
    await this.container.stop();
  }

  async ctl(args: readonly string[], input = ''): Promise<string> {
    const script =
      input === ''
        ? 'exec rabbitmqctl --quiet "$@"'
        : `base64 -d <<'INPUT' | rabbitmqctl --quiet "$@"\n${Buffer.from(input).toString('base64')}\nINPUT`;
    const { exitCode, output } = await this.container.exec(['sh', '-c', script, 'sh', ...args]);
    if (exitCode !== 0) throw new Error(`rabbitmqctl ${args.join(' ')} ended with ${exitCode}: ${output.trim()}`);
    return output;
  }

  async log(): Promise<string> {
    const stream = await this.container.logs();
    let text = '';
    stream.on('data', (piece: Buffer) => (text += piece.toString()));
    await Promise.race([new Promise((settle) => stream.once('end', settle)), pause(3_000)]);
    stream.destroy();
    return text;
  }

  /** testcontainers' own `restart` is graceful; a kill needs the daemon's handle. */
  private async handle() {
    const { getContainerRuntimeClient } = await import('testcontainers');
    return (await getContainerRuntimeClient()).container.getById(this.container.getId());
  }
}
