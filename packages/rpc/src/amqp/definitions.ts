export interface BrokerAccounts {
  readonly namespace?: string;
  readonly vhost?: string;
  /** Services that may declare queues and send anything. */
  readonly trusted: readonly { readonly user: string; readonly password: string }[];
  /** Accounts that serve one name of one topic and talk to `talksTo` only. */
  readonly hosts: readonly {
    readonly user: string;
    readonly password: string;
    readonly topic: string;
    readonly server: string;
    /** Topics it may send requests to, on the exchange `from-hosts`. */
    readonly talksTo: readonly string[];
  }[];
}

/** RabbitMQ's definitions document (what `rabbitmqctl import_definitions` takes). */
export function brokerDefinitions(_accounts: BrokerAccounts): Record<string, unknown> {
  throw new Error('not built yet');
}
