import type { Transport } from '../transport.ts';

/** For probes: whether messages go out at present, and if not, why. */
export function transportHealth({
  connected,
  blocked,
}: Pick<Transport, 'connected' | 'blocked'>): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  if (!connected) return { ok: false, reason: 'not connected to the broker' };
  return blocked === undefined ? { ok: true } : { ok: false, reason: `no messages go to the broker: ${blocked}` };
}
