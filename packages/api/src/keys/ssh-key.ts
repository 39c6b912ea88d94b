import { createHash, generateKeyPair, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { badRequest } from '../http/api-error.ts';

const generate = promisify(generateKeyPair);
const BITS = 2_048;
const COMMENT = 'Generated-by-Nova';

const invalid = (reason: string) => badRequest(`Keypair data is invalid: ${reason}`);
const colons = (digest: Buffer) => [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Kinds of keys that OpenSSH writes. */
const kinds = new Set([
  'ssh-rsa',
  'ssh-dss',
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]);

/**
 * MD5 of the key, as the API shows it, of `kind base64 comment` (OpenSSH's form).
 * @throws ApiError 400 for what is no public key
 */
export function sshFingerprint(publicKey: string): string {
  const [kind = '', text = ''] = publicKey.trim().split(/\s+/);
  const blob = Buffer.from(text, 'base64');
  const named = blob.length > 4 ? blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1') : '';
  if (!kinds.has(kind) || named !== kind || blob.length < 32) throw invalid('failed to generate fingerprint');
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
