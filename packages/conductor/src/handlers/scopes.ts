import { failure, type Scope } from '@kilonova/objects';

/** The caller was found out of order for this; to be called once the row is found. @throws PolicyDenied */
export function refuseIfDenied(scope: Scope): void {
  if (scope.deniedBy !== null) throw failure('PolicyDenied', `Policy doesn't allow ${scope.deniedBy} to be performed.`);
}
