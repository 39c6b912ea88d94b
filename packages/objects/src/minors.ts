import { parseVersion } from '@kilonova/rpc';
import { MAJOR, MINOR } from './history.ts';

/** The minor of a version of our major; undefined for another major, and for what is no version. */
export function minorOf(version: string): number | undefined {
  try {
    const { major, minor } = parseVersion(version, 'version');
    return major === MAJOR ? minor : undefined;
  } catch {
    return undefined;
  }
}

/** What to speak to a peer of that version: its own, or ours if that is older, or if nothing can be said of it. */
export const spokenTo = (version: string): string => `${MAJOR}.${Math.min(minorOf(version) ?? MINOR, MINOR)}`;
