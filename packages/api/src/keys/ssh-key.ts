import { createHash, generateKeyPair, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { badRequest } from '../http/api-error.ts';

const generate = promisify(generateKeyPair);
const BITS = 2_048;
const COMMENT = 'Generated-by-Nova';

const invalid = (reason: string) => badRequest(`Keypair data is invalid: ${reason}`);
const colons = (digest: Buffer) => [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Kinds of keys that OpenSSH writes, with the fields of each: its own name and numbers (RFC 4253, 5656, 8709; OpenSSH's PROTOCOL.u2f). */
const kinds: ReadonlyMap<string, number> = new Map([
  ['ssh-rsa', 3],
  ['ssh-dss', 5],
  ['ssh-ed25519', 2],
  ['ecdsa-sha2-nistp256', 3],
  ['ecdsa-sha2-nistp384', 3],
  ['ecdsa-sha2-nistp521', 3],
  ['sk-ssh-ed25519@openssh.com', 3],
  ['sk-ecdsa-sha2-nistp256@openssh.com', 4],
]);

/** The fields of a key, each behind its length in four bytes; undefined when they do not end with it, as in one that was cut. */
function fieldsOf(blob: Buffer): readonly Buffer[] | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at);
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return at === blob.length ? fields : undefined;
}

/**
 * MD5 of the key, as the API shows it, of `kind base64 comment` (OpenSSH's form).
 * @throws ApiError 400 for what is no public key, or only a part of one
 */
export function sshFingerprint(publicKey: string): string {
  const [kind = '', text = ''] = publicKey.trim().split(/\s+/);
  const blob = Buffer.from(text, 'base64');
  const fields = fieldsOf(blob);
  if (fields === undefined || fields.length !== kinds.get(kind) || fields[0]?.toString('latin1') !== kind)
    throw invalid('failed to generate fingerprint');
  return colons(createHash('md5').update(blob).digest());
}

/** SHA-1 of a certificate in PEM. @throws ApiError 400 */
export function x509Fingerprint(certificate: string): string {
  try {
    return colons(createHash('sha1').update(new X509Certificate(certificate).raw).digest());
  } catch {
    throw invalid('failed to generate X509 fingerprint. Expected a certificate in PEM');
  }
}

const field = (bytes: Buffer) => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
};

/** A positive number as SSH writes it: no sign bit in front. */
const positive = (base64url: string | undefined) => {
  const bytes = Buffer.from(base64url ?? '', 'base64url');
  return field((bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
};

/**
 * A new RSA key pair. It comes from the machine's own randomness even in a simulation: a private key must never be
 * foreseeable.
 */
export async function newSshKey(): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: BITS });
  const { e, n } = publicKey.export({ format: 'jwk' });
  const blob = Buffer.concat([field(Buffer.from('ssh-rsa')), positive(e), positive(n)]);
  return {
    publicKey: `ssh-rsa ${blob.toString('base64')} ${COMMENT}`,
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }) as string,
  };
}
