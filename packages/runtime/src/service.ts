import type { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import type { Random } from './random.ts';

/** What one check found. `reason` says what is wrong and where, never a secret. */
export interface Check {
  readonly ok: boolean;
  readonly reason?: string;
}

/** `ok` is true when every check is. */
export interface Health {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, Check>>;
}

/** A service that was started and can be asked and stopped. */
export interface RunningService {
  readonly name: string;
  /** May answer late: the probe bounds the wait. */
  health(): Health | Promise<Health>;
  /** Finishes or hands back what is in hand, then closes. A second call returns the first one's promise. */
  stop(): Promise<void>;
}

/** What every service is handed besides its config and its transport (design rule 5). */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Registry;
}

/** Health from named checks: well when all are. */
export const healthOf = (checks: Readonly<Record<string, Check>>): Health => ({
  ok: Object.values(checks).every((check) => check.ok),
  checks,
});

/** The health of several services as one, well when all are: every check keeps its name behind the service's. */
export async function jointHealth(services: readonly RunningService[]): Promise<Health> {
  const all = await Promise.all(services.map(async (service) => ({ name: service.name, health: await service.health() })));
  return {
    ok: all.every(({ health }) => health.ok),
    checks: Object.fromEntries(
      all.flatMap(({ name, health }) => Object.entries(health.checks).map(([check, found]) => [`${name}.${check}`, found] as const)),
    ),
  };
}
