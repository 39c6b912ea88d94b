// Answers are written as JSON at once, field by field, without a plain value in between, and without the fields that
// have their default value: every reader puts it there (codec.ts). An object with many optional fields is half as long.
import type { Attachment } from '../wire/attachments.ts';
import type { Class } from '../contract/contract.ts';
import { check, putBeside } from './codec.ts';
import { fieldsOf, malformed, type Field } from './fields.ts';
import { jsonText, quoted } from './json-text.ts';
import { shapeOf } from './shape.ts';

/** Long texts and bytes go into `attachments`, when it is given. @throws MalformedMessage as the encoder of the class does */
export type Writer<T> = (value: T, attachments?: Attachment[]) => string;

type Write = (value: unknown, path: string, attachments: Attachment[] | undefined) => string | undefined;

const written = new WeakMap<Class<object>, Map<number, Write>>();

/**
 * The JSON of what `encoderFor(type, minor)` gives, without the fields whose value the reader's class has anyway. An object in a
 * field that is frozen through all its depth is written once: what many answers share is best frozen.
 *
 * @throws TypeError when the class uses decorators that have no meaning on the wire.
 */
export function writerFor<T extends object>(type: Class<T>, minor: number): Writer<T> {
  const write = writeFor(type, minor);
  return (value, attachments) => write(value, type.name, attachments) ?? 'null';
}

function writeFor(type: Class<object>, minor: number): Write {
  let byMinor = written.get(type);
  if (byMinor === undefined) written.set(type, (byMinor = new Map()));
  let write = byMinor.get(minor);
  if (write === undefined) byMinor.set(minor, (write = compile(type, minor)));
  return write;
}

interface Part {
  readonly field: Field;
  /** The name in quotes with its colon, behind the brace as the first field, and behind a comma as a later one. */
  readonly first: string;
  readonly later: string;
  readonly isDefault: (value: unknown) => boolean;
  readonly write: Write;
}

function compile(type: Class<object>, minor: number): Write {
  const shaped = shapeOf(type);
  if (shaped !== undefined)
    return (value, path) => {
      if (!shaped.fits(value)) throw malformed(path, shaped.expected, value);
      return jsonText(value);
    };
  const parts: readonly Part[] = fieldsOf(type)
    .filter((field) => minor >= field.since && minor < field.until)
    .map((field) => {
      const key = `${quoted(field.wireName)}:`;
      return { field, first: `{${key}`, later: `,${key}`, isDefault: defaultOf(field), write: writeOf(field, minor) };
    });
  return (value, path, attachments) => {
    if (typeof value !== 'object' || value === null) throw malformed(path, 'an object', value);
    const source = value as Readonly<Record<string, unknown>>;
    let text = '';
    for (const { field, first, later, isDefault, write } of parts) {
      const part = source[field.name];
      if (isDefault(part)) continue;
      check(field, part, path);
      const json = write(part, path, attachments);
      if (json !== undefined) text += (text === '' ? first : later) + json;
    }
    return text === '' ? '{}' : `${text}}`;
  };
}

function writeOf(field: Field, minor: number): Write {
  const { name, nested, beside } = field;
  if (nested === undefined) return beside ? (part, _path, attachments) => jsonText(putBeside(part, attachments)) : jsonText;
  let write: Write | undefined; // found at the first use: classes may contain each other
  const kept = new WeakMap<object, string>();
  return (part, path, attachments) => {
    if (part === null) return 'null';
    const one = (write ??= writeFor(nested, minor));
    if (!Array.isArray(part)) {
      const known = kept.get(part as object);
      if (known !== undefined) return known;
      const before = attachments?.length;
      const text = one(part, `${path}.${name}`, attachments);
      // What travels beside the JSON has its place in this message only.
      if (text !== undefined && attachments?.length === before && isFrozen(part)) kept.set(part as object, text);
      return text;
    }
    return `[${part.map((element: unknown, index) => one(element, `${path}.${name}[${index}]`, attachments)).join(',')}]`;
  };
}

/** Whether an object can never change, at no depth: then its JSON cannot, either. */
const isFrozen = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));

/** Whether a reader that gets nothing has this value. What has no default must be sent. */
function defaultOf({ initial, optional }: Field): Part['isDefault'] {
  if (!optional) return () => false;
  if (Array.isArray(initial)) return (value) => value === undefined || (initial.length === 0 && Array.isArray(value) && value.length === 0);
  if (typeof initial !== 'object' || initial === null) return (value) => value === undefined || value === initial;
  const empty = isEmpty(initial);
  return (value) => value === undefined || (empty && isEmpty(value));
}

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) if (Object.hasOwn(value, key)) return false;
  return true;
}
