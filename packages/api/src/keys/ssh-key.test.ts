import { createPrivateKey, createPublicKey, createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { newSshKey, sshFingerprint } from './ssh-key.ts';

/** From the contract's sample os-keypairs/keypairs-import-post-resp.json. */
const SAMPLE =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDx8nkQv/zgGgB4rMYmIf+6A4l6Rr+o/6lHBQdW5aYd44bd8JttDCE/F/pNRr0lRE+PiqSPO8nDPHw0010JeMH9gYgnnFlyY3/OcJ02RhIPyyxYpv9FhY+2YiUkpwFOcLImyrxEsYXpD/0d3ac30bNH6Sw9JD9UZHYcpSxsIbECHw== Generated-by-Nova';

test('the fingerprint of a known key', () => {
  expect(sshFingerprint(SAMPLE)).toBe('1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c');
});

/** From `ssh-keygen -t ed25519` and the like, and what `ssh-keygen -l -E md5` says of them. */
test.each([
  ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHOV2CV33FdC7e/H7InI/74MvV0s7tv/P4OxD22oZ49U c', '16:9b:05:44:da:43:43:57:07:43:de:74:73:c0:bc:f0'],
  [
    'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA857KfhOHUJMIJAlOirN86O3Rf45w5waeb1MPz2cNmzagVu3nqhxboEycX2ozv5qaUW4qDidd2ErEZkWCxWbgQ= c',
    '44:62:f5:01:25:2f:b5:19:bc:62:77:f3:3d:65:02:df',
  ],
  [
    'ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBCu93pIyVOhGKjLqas5QXiWFsPLNiT6/ZeC/5KYUsyyPJnKNxADA3/OedpvxFKclYkRJbLEZKNvL7V8dU+PeBLT4EhqeEtjVPnKdnq5f7hv1VyQq3UlEn3iVXzpTwnF+EA== c',
    'd3:6c:d6:33:a3:0e:50:5f:26:b6:aa:a4:5a:be:d9:1b',
  ],
  [
    'ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAHT8dTkDASUmnc1w9ejWsdNQXsdRR8TugaqgTeIkukkvq2BNDcrPqvWYVbda4dkvkzQqrVNOTl8+9LvymZyCnjvKgC/77O46bmL1rtTllP92s5m8ZCZLYWQRnroJdUQSOu6OyxYjdQyLxBafHS3fU4Q+s8o8g69HfJCAmcZCvUmaNsYDw== c',
    '22:62:9b:72:37:78:6f:38:52:91:33:b5:36:87:ab:d6',
  ],
  [
    'ssh-dss AAAAB3NzaC1kc3MAAACBAIQe3X1uy3xLuLPrrwE8EpfjElNe32v0JFFHlLtVKJvH9HTxMP2Aj9aXSqm6pSWBbIBcGpfu/xEkjxWKESIjsmmF/aRgtCmGObsd0/G/sztCmDAC7FiPexT+lfjGl7bSrH5zt49MF2cnOW+1u39Ww0ecUejVrfEAe+Eg9E31ccpHAAAAFQDmBpy+VImMgG4IhSzf8ss/QuwkdwAAAIAzcSzDZGnLqNvhYhhLyJDYragBQ/ST4rtwJ03rrZXzYuxbH1WPTJuUuY+AIhdXm9Sk53PNuJr0LXsCwSHKhfHeH75e2VsqlDmy5b3oO0xF9pqHaZtalSnWmd9mXQCrqUSCb+KPUOWRp78AJFSeWfSWQWB3TJS/pUZfAdcQrNYf5wAAAIAaMTZ39BPI9iN9fH9Ku08fJxd6UK4S7w2NqMwkiJpWduhFb0IePDxLbU4ZonwCSHv+QbrQirn4qUZXWpxUr7OBD6pdflYxTyH6oDatJaPFYH6HqfIiRkUux39yEVs7yTqHWul0GJ0Trry9/2pNijOvVvbD1Fj0ajmiCbqyJfnrIw==',
    'f7:a3:20:bb:0e:ec:0e:5e:e8:fe:4f:49:44:6d:05:39',
  ],
])('%s has its fingerprint, and a part of it is no key', (key, fingerprint) => {
  expect(sshFingerprint(key)).toBe(fingerprint);
  const [kind, text = ''] = key.split(' ');
  for (const part of [text.slice(0, -4), text.slice(0, text.length / 2), text.slice(0, 48), `${text.replaceAll('=', '')}AAAA`])
    expect(() => sshFingerprint(`${kind} ${part} c`), part).toThrow('failed to generate fingerprint');
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
