import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './services/run-tool.ts';

/** A key with its certificate, as PEM texts and as files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Whether certificates can be made here. */
export function opensslInstalled(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A certificate authority for one test. */
export class CertificateAuthority {
  readonly own: Certificate;
  private readonly dir: string;
  private readonly name: string;

  private constructor(dir: string, name: string, own: Certificate) {
    this.dir = dir;
    this.name = name;
    this.own = own;
  }

  static async open(dir: string, name: string): Promise<CertificateAuthority> {
    mkdirSync(dir, { recursive: true });
    const { certFile, keyFile } = files(dir, name);
    await openssl(['req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', certFile]);
    return new CertificateAuthority(dir, name, read({ certFile, keyFile }));
  }

  /** `names`: hosts and addresses, for a server; none for a client. */
  async issue(commonName: string, names: readonly string[] = []): Promise<Certificate> {
    const { certFile, keyFile } = files(this.dir, commonName);
    const request = join(this.dir, `${commonName}.request`);
    const extensions = join(this.dir, `${commonName}.extensions`);
    const lines = ['basicConstraints=CA:FALSE', ...(names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`])];
    writeFileSync(extensions, `${lines.join('\n')}\n`);
    await openssl(['req', ...NEW_KEY, '-subj', `/CN=${commonName}`, '-keyout', keyFile, '-out', request]);
    const authority = files(this.dir, this.name);
    await openssl([
      ...['x509', '-req', '-in', request, '-CA', authority.certFile, '-CAkey', authority.keyFile, '-CAcreateserial'],
      ...['-days', '2', '-extfile', extensions, '-out', certFile],
    ]);
    return read({ certFile, keyFile });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const openssl = (args: readonly string[]) => runTool('openssl', args);
const files = (dir: string, name: string) => ({ certFile: join(dir, `${name}.pem`), keyFile: join(dir, `${name}.key`) });
const read = ({ certFile, keyFile }: Pick<Certificate, 'certFile' | 'keyFile'>): Certificate => ({
  cert: readFileSync(certFile, 'utf8'),
  key: readFileSync(keyFile, 'utf8'),
  certFile,
  keyFile,
});
