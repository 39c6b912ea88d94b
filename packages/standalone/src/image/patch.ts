import { badRequest, conflict, forbidden } from '../http/error.ts';
import { fields, refuse, textOf } from '../http/input.ts';
import type { Image, Settings } from './image.ts';
import { isSetting, refuseFixed, withSetting } from './settings.ts';

export interface Change {
  readonly op: 'add' | 'replace' | 'remove';
  readonly key: string;
  readonly value?: unknown;
}

/** The operations of a patch document, in order. Throws HttpError 400. */
export function parsePatch(document: unknown, maxOperations: number): readonly Change[] {
  if (!Array.isArray(document)) throw refuse('the body', 'a list of operations', document);
  if (document.length > maxOperations) throw badRequest(`At most ${maxOperations} operations are taken in one patch.`);
  return document.map((item, index) => {
    const { op, path, value } = fields(item, `operation ${index}`);
    if (op !== 'add' && op !== 'replace' && op !== 'remove') throw refuse(`operation ${index}`, 'op to be add, replace or remove', op);
    if (op !== 'remove' && value === undefined) throw badRequest(`Operation ${index} has no value.`);
    const key = keyOf(textOf(path, `operation ${index} path`, { max: 600 }));
    return op === 'remove' ? { op, key } : { op, key, value };
  });
}

/** A JSON pointer of one level (RFC 6901). */
function keyOf(path: string): string {
  const match = /^\/([^/]+)$/.exec(path);
  if (match?.[1] === undefined || /~(?![01])/.test(path))
    throw badRequest(`Invalid JSON pointer ${path}: expected the name of one field, such as /name.`);
  return match[1].replaceAll('~1', '/').replaceAll('~0', '~');
}

/** The settings after a patch. Throws HttpError 403 for what may not be changed, 409 for a property that is not there. */
export function applyPatch(image: Image, changes: readonly Change[]): Settings {
  return changes.reduce<Settings>((settings, { op, key, value }) => {
    refuseFixed(key);
    if (isSetting(key)) {
      if (op === 'remove') throw forbidden(`Property ${key} may not be removed.`);
      if ((key === 'container_format' || key === 'disk_format') && image.status !== 'queued' && value !== image[key])
        throw forbidden(`Attribute ${key} can be replaced only for a queued image.`);
    } else if (op !== 'add' && !Object.hasOwn(settings.properties, key)) throw conflict(`Property ${key} does not exist.`);
    return withSetting(settings, key, value);
  }, image);
}
