/** Printable ASCII without what JSON escapes: most texts are nothing else, and then quotes around them are enough. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A value that is JSON already. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** For whoever makes JSON of something that it is in. */
  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

export const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));

/** What JSON can carry, as JSON. */
export function jsonOf(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (value instanceof JsonText) return value.text;
  return JSON.stringify(value);
}
