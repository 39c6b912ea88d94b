import { failure, type Scope } from '@kilonova/objects';

/** The caller was found out of order for this; to be called once the row is found. @throws PolicyDenied */
export function refuseIfDenied({ deniedBy }: Scope): void {
  if (deniedBy !== null) throw refusalBy(deniedBy);
}

export const refusalBy = (policy: string) => failure('PolicyDenied', `Policy doesn't allow ${policy} to be performed.`);
