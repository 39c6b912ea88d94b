/**
 * Times as clients write them (ISO 8601 as Python's iso8601 reads it): a year alone, year and month, compact dates, a
 * space for the T, a comma for the fraction; without a zone UTC is meant.
 */
const FORM =
  /^(?<year>\d{4})(?:(?:-(?<monthDash>\d{1,2})|(?<month>\d{2})(?!$))(?:(?:-(?<dayDash>\d{1,2})|(?<day>\d{2}))(?:[ T](?<hour>\d{2})(?::?(?<minute>\d{2}))?(?::?(?<second>\d{1,2})(?:[.,](?<fraction>\d+))?)?(?<zone>Z|(?<sign>[-+])(?<zoneHour>\d{2}):?(?<zoneMinute>\d{2})?)?)?)?)?$/;

/** The same time as `YYYY-MM-DDTHH:MM:SS.ffffffZ`, or null when the text is no time. */
export function utcTime(text: string): string | null {
  const parts = FORM.exec(text)?.groups;
  if (parts === undefined) return null;
  const number = (name: string, otherwise = 0) => (parts[name] === undefined ? otherwise : Number(parts[name]));
  const month = number('monthDash', number('month', 1));
  const day = number('dayDash', number('day', 1));
  const [year, hour, minute, second] = [number('year'), number('hour'), number('minute'), number('second')];
  const [zoneHour, zoneMinute] = [number('zoneHour'), number('zoneMinute')];
  if (year < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return null;
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  if (local.getUTCDate() !== day || local.getUTCMonth() !== month - 1) return null;
  local.setUTCHours(hour, minute, second);
  const offsetMs = (parts['sign'] === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute) * 60_000;
  const utc = new Date(local.getTime() - offsetMs);
  if (utc.getUTCFullYear() < 1 || utc.getUTCFullYear() > 9999) return null;
  const micros = (parts['fraction'] ?? '').padEnd(6, '0').slice(0, 6);
  return `${utc.toISOString().slice(0, 19)}.${micros}Z`;
}
