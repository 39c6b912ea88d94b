// check-package.ts   packs the package and asks publint and are-the-types-wrong about the tarball; says its size. Ends with
// 1 when there is anything to say against it. Needs no network.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { pack } from './packed.ts';

/** The package is ESM only: whoever requires it gets the module on every Node that can. */
const ACCEPTED = new Set(['CJSResolvesToESM']);

const folder = mkdtempSync(join(tmpdir(), 'kilonova-rpc-'));
try {
  const packed = await pack(folder);
  const data = readFileSync(packed.tarball);
  const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(data).buffer }, strict: true });
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(data)));
  const complaints = [
    ...messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`),
    ...(analysis.types === false
      ? ['are-the-types-wrong: no types']
      : analysis.problems.filter(({ kind }) => !ACCEPTED.has(kind)).map((problem) => `are-the-types-wrong: ${JSON.stringify(problem)}`)),
    ...packed.files
      .filter((file) => /^dist\/.*(\.test\.|\/testing\/)|tsbuildinfo|\.map$/.test(file))
      .map((file) => `not for users: ${file}`),
  ];
  for (const complaint of complaints) console.error(complaint);
  console.log(
    `${packed.files.length} files, ${(packed.size / 1_024).toFixed(0)} KiB packed, ${(packed.unpackedSize / 1_024).toFixed(0)} KiB unpacked`,
  );
  process.exitCode = complaints.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
