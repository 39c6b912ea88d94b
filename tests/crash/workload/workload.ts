import { seededRandom } from '@kilonova/runtime';
import { ComputeClient } from '../../support/compute-client.ts';
import type { Cloud } from '../../support/cloud.ts';
import { DISPOSABLE_HOST } from '../field.ts';
import { OperatorUser } from './operator-user.ts';
import { type Request, ServerUser } from './server-user.ts';
import { Session, Sightings } from './session.ts';

export interface WorkloadOptions {
  readonly cloud: Cloud;
  readonly seed: number;
  readonly users: number;
  readonly flavorId: string;
  readonly otherFlavorId: string;
}

/** Users at work on both apis, until they are stopped. Whatever an answer says was accepted must come true exactly once. */
export class Workload {
  readonly seen = new Sightings();
  readonly #options: WorkloadOptions;
  readonly #stopping = new AbortController();
  #users: readonly ServerUser[] = [];
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  get requests(): readonly Request[] {
    return this.#users.flatMap(({ requests }) => requests);
  }

  /** A user of its own, for faults that ask for something themselves. */
  session(seed: number): Session {
    const { cloud } = this.#options;
    const clients = cloud.computeUrls.map((url, index) => ({ name: `api-${index + 1}`, client: new ComputeClient(cloud.admin, url) }));
    return new Session(clients, this.seen, seededRandom(seed));
  }

  async start(): Promise<void> {
    const { cloud, seed, users, flavorId, otherFlavorId } = this.#options;
    const imageId = await cloud.imageId();
    const stopped = this.#stopping.signal;
    const common = (number: number) => {
      const random = seededRandom(seed + 2 * number);
      return { session: this.session(seed + 2 * number + 1), random, wrong: this.seen.wrong, stopped };
    };
    this.#users = Array.from(
      { length: users },
      (_, number) => new ServerUser(`crash-${number}`, { ...common(number), flavorId, otherFlavorId, imageId }),
    );
    const operator = new OperatorUser({ ...common(users), hosts: cloud.hosts.filter((host) => host !== DISPOSABLE_HOST) });
    this.#work = Promise.all([...this.#users, operator].map((user) => user.work()));
    this.#work.catch(() => undefined); // told by stop
  }

  /** Settles when every request in hand has its answer. @throws when one has none */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
  }
}
