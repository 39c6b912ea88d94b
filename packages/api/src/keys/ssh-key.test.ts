import { createPrivateKey, createPublicKey, createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { newSshKey, sshFingerprint } from './ssh-key.ts';

/** From the contract's sample os-keypairs/keypairs-import-post-resp.json. */
const SAMPLE =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDx8nkQv/zgGgB4rMYmIf+6A4l6Rr+o/6lHBQdW5aYd44bd8JttDCE/F/pNRr0lRE+PiqSPO8nDPHw0010JeMH9gYgnnFlyY3/OcJ02RhIPyyxYpv9FhY+2YiUkpwFOcLImyrxEsYXpD/0d3ac30bNH6Sw9JD9UZHYcpSxsIbECHw== Generated-by-Nova';

test('the fingerprint of a known key', () => {
  expect(sshFingerprint(SAMPLE)).toBe('1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c');
});

test('a generated pair belongs together', async () => {
  const { publicKey, privateKey } = await newSshKey();
  expect(privateKey).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
  const { n } = createPublicKey(createPrivateKey(privateKey)).export({ format: 'jwk' });
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  expect(blob.includes(Buffer.from(n!, 'base64url'))).toBe(true);
  expect(sshFingerprint(publicKey).replaceAll(':', '')).toBe(createHash('md5').update(blob).digest('hex'));
});

test.each(['', 'ssh-rsa', 'ssh-rsa AAAA', 'ssh-dance AAAAB3NzaC1yc2E=', SAMPLE.replace('ssh-rsa', 'ssh-ed25519'), 'not a key'])(
  '"%s" is no key',
  (text) => {
    expect(() => sshFingerprint(text)).toThrow('Keypair data is invalid: failed to generate fingerprint');
  },
);
