import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { listDeadLetters, requeueDeadLetters, type DeadLetterEntry } from './amqp/dead-letters.ts';
import { ACCOUNTS_USAGE, runAccounts } from './accounts/command.ts';
import { tlsFiles } from './amqp/tls-files.ts';
import { readable } from './wire/attachments.ts';
import { RpcError } from './errors.ts';

const USAGE = `kilonova-rpc dead-letters list                      what was put aside, the oldest first
kilonova-rpc dead-letters show ID                   one message, with its body
kilonova-rpc dead-letters requeue ID... | --all     send casts again to where they went first

  --url amqp://user:password@host:port/vhost   default: AMQP_URL of the environment, where no other user reads it
  --ca FILE --cert FILE --key FILE             of amqps: whom to believe, and who we are
  --namespace NAME                             default: kilonova
  --topic TOPIC                                only what this topic put aside
  --limit N                                    how many are looked at; default 1000

${ACCOUNTS_USAGE}

kilonova-rpc --help | --version`;

export interface Output {
  say(line: string): void;
  complain(line: string): void;
}

/** The command line `kilonova-rpc`. Gives the exit code: 0 done, 1 not (all) done, 2 asked in a wrong way. */
export async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv, output: Output): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    output.say(USAGE);
    return 0;
  }
  if (args[0] === '--version') {
    output.say(await ownVersion());
    return 0;
  }
  if (args[0] === 'accounts') return runAccounts(args.slice(1), env, output);
  const asked = parse(args);
  if (typeof asked === 'string') {
    output.complain(`${asked}\n\n${USAGE}`);
    return 2;
  }
  const { verb, ids, options } = asked;
  const url = options.url ?? env['AMQP_URL'];
  if (url === undefined || !URL.canParse(url)) {
    output.complain('expected an address like amqp://user:password@host:5672/vhost in --url or AMQP_URL');
    return 2;
  }
  const { ca: caFile, cert: certFile, key: keyFile } = options;
  const secured = new URL(url).protocol === 'amqps:';
  if (!secured && (caFile ?? certFile ?? keyFile) !== undefined) {
    output.complain('--ca, --cert, --key: expected an address that begins with amqps:');
    return 2;
  }
  const source = {
    url,
    ...(secured ? { tls: tlsFiles({ caFile, certFile, keyFile }) } : {}),
    namespace: options.namespace,
    limit: Number(options.limit),
  };
  const ofTopic = ({ topic }: DeadLetterEntry) => options.topic === undefined || topic === options.topic;
  try {
    if (verb === 'requeue') {
      const { requeued, left } = await requeueDeadLetters(source, (letter) => ofTopic(letter) && (options.all || ids.includes(letter.id)));
      for (const { id, topic, method } of requeued) output.say(`${id}  sent again  ${topic}.${method ?? '?'}`);
      for (const { letter, why } of left) output.complain(`${letter.id}  stays  ${why}`);
      const missing = ids.filter((id) => ![...requeued, ...left.map(({ letter }) => letter)].some((letter) => letter.id === id));
      for (const id of missing) output.complain(`${id}  is not there`);
      return left.length + missing.length === 0 ? 0 : 1;
    }
    const letters = (await listDeadLetters(source)).filter(ofTopic);
    if (verb === 'list') {
      for (const letter of letters) output.say(line(letter));
      return 0;
    }
    const letter = letters.find(({ id }) => id === ids[0]);
    if (letter === undefined) {
      output.complain(`${ids[0]}  is not there`);
      return 1;
    }
    output.say(line(letter));
    output.say(readable(letter.body));
    return 0;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    output.complain(`${error.code}: ${error.message}`);
    return 1;
  }
}

const line = ({ id, topic, method, caller, bytes, requestId, reason }: DeadLetterEntry) =>
  `${id}  ${topic}.${method ?? '?'}  from ${caller || '?'}  ${bytes} bytes  ${requestId ?? '-'}  ${reason}`;

/** Of the package: its manifest lies beside the folder of this file, built or not. */
async function ownVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return manifest.version;
}

function parse(args: readonly string[]) {
  try {
    const { positionals, values: options } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        ca: { type: 'string' },
        cert: { type: 'string' },
        key: { type: 'string' },
        namespace: { type: 'string', default: 'kilonova' },
        topic: { type: 'string' },
        limit: { type: 'string', default: '1000' },
        all: { type: 'boolean', default: false },
      },
    });
    const [subject, verb, ...ids] = positionals;
    if (subject !== 'dead-letters') return `expected dead-letters or accounts, found ${subject ?? 'nothing'}`;
    if (verb !== 'list' && verb !== 'show' && verb !== 'requeue') return `expected list, show or requeue, found ${verb ?? 'nothing'}`;
    if (!/^[1-9]\d{0,5}$/.test(options.limit)) return `--limit: expected a number from 1 to 999999, found ${options.limit}`;
    if (verb === 'show' && ids.length !== 1) return 'show: expected one ID';
    if (verb === 'requeue' && options.all === ids.length > 0) return 'requeue: expected IDs or --all';
    return { verb, ids, options };
  } catch (error) {
    return error instanceof Error ? error.message : String(error); // an option that does not exist
  }
}
