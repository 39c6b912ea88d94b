import type { CallOptions } from '../client/client.ts';
import { MessageTooLarge } from '../errors.ts';
import type { Metadata } from '../interceptors.ts';

export const noMetadata: Metadata = Object.freeze({});

/** W3C Trace Context: these follow the work from hop to hop, whether or not anybody here reads them. */
const PASSED_ON = ['traceparent', 'tracestate'] as const;

/** What goes with a request that names its metadata, or is made on behalf of one that had some; undefined for nothing. */
export function metadataOf({ metadata, context }: Pick<CallOptions, 'metadata' | 'context'>): Metadata | undefined {
  const before = context?.metadata;
  if (before === undefined || before === noMetadata) return metadata;
  const passed = traceContextOf(before);
  if (passed === undefined) return metadata;
  return metadata === undefined ? passed : { ...passed, ...metadata };
}

/** Of metadata, what belongs to the trace. */
export function traceContextOf(metadata: Readonly<Record<string, unknown>> | undefined): Metadata | undefined {
  let found: Record<string, string> | undefined;
  for (const name of PASSED_ON) {
    const value = metadata?.[name];
    if (typeof value === 'string') (found ??= {})[name] = value;
  }
  return found;
}

/** @throws MessageTooLarge above the limit; TypeError for a value that is no text. */
export function checkMetadata(metadata: Metadata, limit: number, what: string): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw new TypeError(`${what}: metadata ${name}: expected a string, got ${typeof value}`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > limit)
    throw new MessageTooLarge(`${what}: ${bytes} bytes of metadata, the limit is ${limit} (maxMetadataBytes)`, { bytes, limit });
}
