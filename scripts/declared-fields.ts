// The fields that travel, as the sources of the message classes declare them. Golden samples show names, and types where a value
// tells them; a field that may be null shows only null there, and so its type is compared here. So is its default: answers leave out
// what their reader has by default, and both must have the same.

/** `Class.field` to its declared type and default, with spaces made alike. */
export function declaredFields(source: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let ofClass = '';
  const pattern = /\bclass\s+(\w+)|@Expose\(([^)]*)\)(?:\s*@Type\(\(\)\s*=>\s*\w+\))?\s+(?:readonly\s+)?(\w+)[!?]?\s*:/g;
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
  for (const match of code.matchAll(pattern)) {
    const [whole, className, , field] = match;
    if (className !== undefined) ofClass = className;
    else if (field !== undefined) fields.set(`${ofClass}.${field}`, typeAt(code, match.index + whole.length));
  }
  return fields;
}

/** What stands between a colon and the semicolon that ends the field. */
function typeAt(code: string, start: number): string {
  let depth = 0;
  let at = start;
  for (; at < code.length; at += 1) {
    const character = code.charAt(at);
    if ('{(['.includes(character)) depth += 1;
    if ('})]'.includes(character)) depth -= 1;
    if (depth === 0 && character === ';') break;
  }
  return code.slice(start, at).replaceAll(/\s+/g, ' ').trim();
}

/** What a released class declares and the same class of now does not, one sentence each. */
export function brokenFields(released: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): readonly string[] {
  return [...released].flatMap(([field, type]) => {
    const found = now.get(field);
    if (found === undefined) return [`${field}: was released, and is gone`];
    return found === type ? [] : [`${field}: was released as ${type}, and is ${found}`];
  });
}
