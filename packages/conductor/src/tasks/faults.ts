import type { Failure } from './engine/definition.ts';

/** A host that tried an instance and failed, and what it said. */
export interface HostFailure {
  readonly host: string;
  readonly message: string;
}

const hostByHost = (failures: readonly HostFailure[]): string => failures.map(({ host, message }) => `${host}: ${message}`).join('; ');

/** No host fits; after failed builds also why those failed. */
export const noValidHost = (explanation: string, failures: readonly HostFailure[]): Failure => ({
  code: 500,
  message:
    `No valid host was found. ${[explanation, failures.length === 0 ? '' : `Tried before: ${hostByHost(failures)}`].filter((part) => part !== '').join('. ')}`.trim(),
});

/** Every attempt failed; why, host by host. */
export const retriesExceeded = (instanceUuid: string, failures: readonly HostFailure[]): Failure => ({
  code: 500,
  message: `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${instanceUuid}. ${hostByHost(failures)}`,
});
