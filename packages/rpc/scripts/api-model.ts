import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { packageFolder } from './packed.ts';

/** Something that the package exports, or a member of it. */
export interface ApiItem {
  readonly kind: string;
  readonly name: string;
  /** As written in the declarations. */
  readonly signature: string;
  /** Without the comment's own characters; '' when there is none. */
  readonly doc: string;
  /** The module that declares it, like `amqp/connect`. */
  readonly module: string;
  readonly members: readonly ApiItem[];
}

interface Raw {
  readonly kind: string;
  readonly name?: string;
  readonly docComment?: string;
  readonly fileUrlPath?: string;
  readonly excerptTokens?: readonly { readonly text: string }[];
  readonly members?: readonly Raw[];
}

const QUIET = { logLevel: ExtractorLogLevel.None };

/** What the built declarations of the package offer, by name. API Extractor reads them with a TypeScript of its own. */
export function readApi(): readonly ApiItem[] {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-rpc-api-'));
  try {
    const file = join(folder, 'api.json');
    const config = ExtractorConfig.prepare({
      configObjectFullPath: join(packageFolder, 'api-extractor.json'),
      packageJsonFullPath: join(packageFolder, 'package.json'),
      configObject: {
        projectFolder: packageFolder,
        mainEntryPointFilePath: '<projectFolder>/dist/index.d.ts',
        newlineKind: 'lf',
        compiler: {
          overrideTsconfig: {
            compilerOptions: {
              module: 'nodenext',
              moduleResolution: 'nodenext',
              target: 'es2022',
              lib: ['es2023'],
              types: ['node'],
              strict: true,
              skipLibCheck: true,
            },
            files: ['dist/index.d.ts'],
          },
        },
        apiReport: { enabled: false },
        docModel: { enabled: true, apiJsonFilePath: file },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: {
          compilerMessageReporting: { default: QUIET },
          extractorMessageReporting: { default: QUIET },
          tsdocMessageReporting: { default: QUIET },
        },
      },
    });
    Extractor.invoke(config, { localBuild: true, messageCallback: (message) => (message.handled = true) });
    const [entry] = (JSON.parse(readFileSync(file, 'utf8')) as { readonly members: readonly [Raw] }).members;
    return (entry.members ?? []).map((raw) => itemOf(raw, ''));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function itemOf(raw: Raw, module: string): ApiItem {
  const own = raw.fileUrlPath?.replace(/^dist\//, '').replace(/\.d\.ts$/, '') ?? module;
  return {
    kind: raw.kind,
    // It numbers names that the language has too.
    name: raw.name?.replace(/_\d+$/, '') ?? '(constructor)',
    signature: signatureOf(raw),
    doc: docOf(raw),
    module: own,
    members: (raw.members ?? []).map((member) => itemOf(member, own)),
  };
}

const signatureOf = ({ excerptTokens = [] }: Raw) =>
  excerptTokens
    .map(({ text }) => text)
    .join('')
    .replace(/^export (declare )?/, '')
    .trim();

function docOf({ kind, docComment = '' }: Raw): string {
  const text = docComment
    .replace(/^\/\*\*|\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
  return kind === 'Constructor' && text.startsWith('Constructs a new instance of') ? '' : text;
}
