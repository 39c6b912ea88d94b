import { doubtsOf } from '../config/rules.ts';
import type { KilonovaConfig } from '../config/sections.ts';

/** What is refused does not get as far as this. Throws what services would only log. */
export async function examineConfiguration(config: KilonovaConfig, role?: string): Promise<string> {
  const doubts = doubtsOf(config, role);
  if (doubts.length > 0) throw new Error(doubts.join('; '));
  return 'every key is known and every value fits';
}
