/** Compares the accounts that a configuration needs with those of a broker, both in RabbitMQ's own form. */

interface Permission {
  readonly user: string;
  readonly vhost: string;
  readonly configure?: string;
  readonly write: string;
  readonly read: string;
  /** Of topic permissions. */
  readonly exchange?: string;
}

/** As `rabbitmqctl export_definitions` writes it, and `brokerDefinitions` makes it. */
export interface Definitions {
  readonly users: readonly { readonly name: string; readonly tags?: string | readonly string[] }[];
  readonly permissions: readonly Permission[];
  readonly topic_permissions: readonly Permission[];
}

/** Whole sentences about what is missing or more than it should be; none when all is well. */
export function accountTroubles(needed: Definitions, found: Definitions): readonly string[] {
  return needed.users.flatMap(({ name }) => {
    const user = found.users.find((one) => one.name === name);
    if (user === undefined) return [`the account ${name} is missing`];
    return [
      ...(tagsOf(user.tags).length === 0 ? [] : [`the account ${name} has the tags ${tagsOf(user.tags).join(', ')}, and should have none`]),
      ...lacking(name, of(name, needed.permissions), of(name, found.permissions)),
      ...excess(name, of(name, needed.permissions), of(name, found.permissions)),
      // More of these does no harm: they limit what the rights above give, and give nothing themselves.
      ...lacking(name, of(name, needed.topic_permissions), of(name, found.topic_permissions)),
    ];
  });
}

const of = (name: string, permissions: readonly Permission[]): readonly Permission[] => permissions.filter(({ user }) => user === name);

function lacking(name: string, needed: readonly Permission[], found: readonly Permission[]): readonly string[] {
  return needed.flatMap((want) => {
    const has = found.find((one) => placeOf(one) === placeOf(want));
    if (has === undefined) return [`the account ${name} has no rights ${wordsOf(want)}`];
    return (['configure', 'write', 'read'] as const)
      .filter((right) => (has[right] ?? '') !== (want[right] ?? ''))
      .map((right) => `the account ${name} may ${right} ${has[right]} ${wordsOf(want)}, and should ${want[right]}`);
  });
}

function excess(name: string, needed: readonly Permission[], found: readonly Permission[]): readonly string[] {
  return found
    .filter((has) => !needed.some((want) => placeOf(want) === placeOf(has)))
    .map((has) => `the account ${name} has rights ${wordsOf(has)}, and should have none`);
}

const placeOf = ({ vhost, exchange = '' }: Permission): string => JSON.stringify([vhost, exchange]);
const wordsOf = ({ vhost, exchange }: Permission): string =>
  `in the virtual host ${vhost}${exchange === undefined ? '' : ` by the topics of ${exchange}`}`;

/** A list, or words with commas between them: releases differ. */
const tagsOf = (tags: string | readonly string[] = []): readonly string[] =>
  typeof tags === 'string' ? tags.split(',').filter((tag) => tag !== '') : tags;
