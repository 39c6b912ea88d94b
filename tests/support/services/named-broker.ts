import { answersAmqp } from './free-port.ts';
import type { Broker } from './broker.ts';

/** A broker that somebody else runs: used, never started, stopped or administered. */
export class NamedBroker implements Broker {
  readonly how = 'named by KILONOVA_TEST_AMQP_URL';
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
  }

  /** Throws when nothing answers there. The password is not repeated. */
  static async open(url: string): Promise<NamedBroker> {
    if (!URL.canParse(url))
      throw new Error('KILONOVA_TEST_AMQP_URL: expected amqp://user:password@host:port, found something that is no URL');
    const { protocol, hostname, port } = new URL(url);
    if (protocol === 'amqp:' && !(await answersAmqp(Number(port || 5672), hostname)))
      throw new Error(`KILONOVA_TEST_AMQP_URL: no AMQP broker answers at ${hostname}:${port || 5672}`);
    return new NamedBroker(url);
  }

  async start(): Promise<void> {
    throw refusal('started');
  }

  async kill(): Promise<void> {
    throw refusal('killed');
  }

  async stop(): Promise<void> {
    // it was there before us
  }

  async ctl(): Promise<string> {
    throw refusal('administered');
  }

  log(): string {
    return '';
  }
}

const refusal = (what: string) =>
  new Error(
    `the broker named by KILONOVA_TEST_AMQP_URL cannot be ${what} by the tests: leave the variable out, so that they run one of their own`,
  );
