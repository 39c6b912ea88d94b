import { readFile } from 'node:fs/promises';
import type { BrokerTls } from './login.ts';

/** Names of PEM files, and what `BrokerTls` has besides. */
export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly passphrase?: string;
  readonly serverName?: string;
}

/** For the option `tls`: the files are read at every attempt to connect, so that renewed ones are taken up. */
export function tlsFiles({ caFile, certFile, keyFile, ...rest }: TlsFiles): () => Promise<BrokerTls> {
  return async () => ({
    ...(caFile === undefined ? {} : { ca: await readFile(caFile) }),
    ...(certFile === undefined ? {} : { cert: await readFile(certFile) }),
    ...(keyFile === undefined ? {} : { key: await readFile(keyFile) }),
    ...rest,
  });
}
