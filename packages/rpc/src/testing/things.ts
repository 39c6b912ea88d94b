// The events that notifications are tried with.
import { defineEvents, event, Exclude, Expose } from '../index.ts';

@Exclude()
export class Change {
  @Expose() name!: string;
  @Expose({ since: 1 }) colour = 'grey';
}

export const change = (name: string) => Object.assign(new Change(), { name });

export const eventsOf = (version: '1.0' | '1.1') =>
  defineEvents({
    topic: 'things',
    version,
    events: {
      'thing.changed': event({ since: '1.0', payload: Change }),
      'thing.broke': event({ since: '1.0', payload: Change, priority: 'error' }),
    },
  });

export const events = eventsOf('1.1');
