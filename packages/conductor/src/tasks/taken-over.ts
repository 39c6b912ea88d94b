/**
 * Some requests take over a task that is under way: they begin when it has been taken back. A delete that comes before that
 * takes over from them, and what they had written down already must end with it, for they never begin.
 */
import { serverActions } from '@kilonova/objects';
import type { EventEnd } from '../db/action-events.ts';
import { cancelledBy, type CancelIntent } from './engine/definition.ts';
import { evacuationWords } from './moves/evacuate.ts';
import type { MoveParams } from './moves/move.ts';

export interface Unbegun {
  readonly event: EventEnd;
  /** Of a move. */
  readonly migrationUuid?: string;
}

/** What the intent has open; undefined when that is nothing. */
export function unbegun(instanceUuid: string, { kind, requestId, params }: CancelIntent): Unbegun | undefined {
  const end = (event: string): EventEnd => ({ instanceUuid, requestId, event, failure: cancelledBy('delete') });
  if (kind === 'reboot') return { event: end(serverActions.rebootHard.event) };
  if (kind === 'evacuate') return { event: end(evacuationWords.events.accept), migrationUuid: (params as MoveParams).migrationUuid };
  return undefined;
}
