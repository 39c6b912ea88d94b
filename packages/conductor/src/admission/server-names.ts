const HOSTNAME_MAX = 63;

/** The guest's host name from the server's name, as Nova does it: what DNS does not take is dropped or becomes a dash. */
export function hostnameOf(name: string, uuid: string): string {
  const cleaned = name
    .replace(/[ _.]/g, '-')
    .replace(/[^A-Za-z0-9-]/g, '')
    .toLowerCase()
    .replace(/^-+|-+$/g, '')
    .slice(0, HOSTNAME_MAX)
    .replace(/-+$/, '');
  return cleaned === '' ? `Server-${uuid}` : cleaned;
}

/** `web` alone, `web-1` to `web-3` when there are three. */
export const nameOf = (name: string, index: number, count: number): string => (count === 1 ? name : `${name}-${index + 1}`);
