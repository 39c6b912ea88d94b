/** Times travel as ISO 8601 in UTC with microseconds; the API has two forms of them (contract, "URLs and links"). */

/** `2013-09-03T04:01:32Z` */
export const toSeconds = (time: string): string => `${time.slice(0, 19).replace(' ', 'T')}Z`;

/** `2013-09-03T04:01:32.000000`, without a zone. */
export function toMicros(time: string): string {
  const [, seconds = '', fraction = ''] = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d+))?/.exec(time) ?? [];
  return `${seconds.replace(' ', 'T')}.${fraction.padEnd(6, '0').slice(0, 6)}`;
}

export const toMicrosOrNull = (time: string | null): string | null => (time === null ? null : toMicros(time));
