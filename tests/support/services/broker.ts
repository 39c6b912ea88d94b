/** A RabbitMQ that the tests may treat badly. `kill` and `start` keep its address and its data. */
export interface Broker {
  /** One line for the person who waits: where it came from. */
  readonly how: string;
  /** With an account that may do everything. */
  readonly url: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** `rabbitmqctl`; about a second a call. Throws with what it said when it fails. */
  ctl(args: readonly string[], input?: string): Promise<string>;
  log(): string | Promise<string>;
}
