/** Clusters of 512 bytes, the smallest that qcow2 knows. */
const CLUSTER_BITS = 9;
const CLUSTER = 1 << CLUSTER_BITS;

/**
 * A qcow2 file (version 2) of a disk on which nothing was written: header, reference counts, and a first-level table of
 * zeros, one cluster each. `bytes` is the disk's size as a guest sees it, at most 2 MiB (one cluster of the table).
 * The layout is described in QEMU's docs/interop/qcow2.
 */
export function emptyDisk(bytes: number): Uint8Array<ArrayBuffer> {
  const perEntry = (CLUSTER / 8) * CLUSTER; // what one second-level table covers
  const entries = Math.ceil(bytes / perEntry);
  if (entries > CLUSTER / 8) throw new RangeError(`expected at most ${(CLUSTER / 8) * perEntry} bytes, found ${bytes}`);
  const file = new Uint8Array(4 * CLUSTER);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x514649fb); // "QFI\xfb"
  view.setUint32(4, 2); // version
  view.setUint32(20, CLUSTER_BITS);
  view.setBigUint64(24, BigInt(bytes));
  view.setUint32(36, entries); // first-level table: entries, and where
  view.setBigUint64(40, BigInt(3 * CLUSTER));
  view.setBigUint64(48, BigInt(CLUSTER)); // table of reference counts: where, and how many clusters
  view.setUint32(56, 1);
  view.setBigUint64(CLUSTER, BigInt(2 * CLUSTER)); // its only block
  for (let cluster = 0; cluster < 4; cluster += 1) view.setUint16(2 * CLUSTER + 2 * cluster, 1);
  return file;
}
