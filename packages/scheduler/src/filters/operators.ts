/**
 * Operators in values of extra specs (Compute API, "Flavors and extra specs"): the first word is the operator; without a
 * known one the whole value must be equal. Numbers are compared as numbers by `=`, `==`, `!=`, `>=`, `<=`.
 */
const numeric: Readonly<Record<string, (have: number, want: number) => boolean>> = {
  '=': (have, want) => have >= want,
  '==': (have, want) => have === want,
  '!=': (have, want) => have !== want,
  '>=': (have, want) => have >= want,
  '<=': (have, want) => have <= want,
};

const textual: Readonly<Record<string, (have: string, want: string) => boolean>> = {
  's==': (have, want) => have === want,
  's!=': (have, want) => have !== want,
  's<': (have, want) => have < want,
  's<=': (have, want) => have <= want,
  's>': (have, want) => have > want,
  's>=': (have, want) => have >= want,
  '<in>': (have, want) => have.includes(want),
};

/** Does what a host has satisfy what an extra spec requires? Never throws: a number that is none does not match. */
export function satisfies(have: string, requirement: string): boolean {
  const [operator = '', ...words] = requirement.trim().split(/\s+/);
  if (operator === '<or>') return words.filter((word) => word !== '<or>').includes(have);
  if (operator === '<all-in>') return words.length > 0 && words.every((word) => have.includes(word));
  const compareTexts = textual[operator];
  if (compareTexts !== undefined) return words[0] !== undefined && compareTexts(have, words[0]);
  const compareNumbers = numeric[operator];
  if (compareNumbers === undefined) return have === requirement;
  if (words[0] === undefined || have.trim() === '') return false;
  const [left, right] = [Number(have), Number(words[0])];
  return !Number.isNaN(left) && !Number.isNaN(right) && compareNumbers(left, right);
}
