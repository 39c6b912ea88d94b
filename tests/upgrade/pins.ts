import type { Member } from '../support/cloud.ts';

/** One number of a process's metrics. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a process says on its probe port. */
export async function metricsOf(member: Member): Promise<readonly Sample[]> {
  const probe = (await member.process.ready()).find((address) => address.endsWith('/healthz'));
  if (probe === undefined) throw new Error(`${member.name} names no probe among its addresses`);
  const response = await fetch(probe.replace('/healthz', '/metrics'), { signal: AbortSignal.timeout(10_000) });
  return (await response.text()).split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    return [
      {
        name,
        labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map((pair) => [pair[1]!, pair[2]!])),
        value: Number(value),
      },
    ];
  });
}

/** Minor that a process speaks to its peers, by peer. */
export async function pinsOf(member: Member): Promise<Readonly<Record<string, number>>> {
  const samples = await metricsOf(member);
  return Object.fromEntries([
    ...samples.filter(({ name }) => name === 'kilonova_pin_minor').map(({ labels, value }) => [labels['peer'] ?? '', value]),
    ...samples.filter(({ name }) => name === 'kilonova_older_hosts').map(({ value }) => ['olderHosts', value]),
  ]);
}

/** `topic.method` to the messages of it that the process refused for their version. */
export async function refusedBy(member: Member): Promise<ReadonlyMap<string, number>> {
  const refused = (await metricsOf(member)).filter(
    ({ name, labels }) => name === 'kilonova_rpc_refused_total' && labels['code'] === 'UnsupportedVersion',
  );
  return new Map(refused.map(({ labels, value }) => [`${labels['topic']}.${labels['method']}`, value]));
}
