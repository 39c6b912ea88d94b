import { expect, test } from 'vitest';
import { Links } from '../http/links.ts';
import { keyedView, type View } from './view.ts';

const links = (project: string | null) => new Links('http://api', '', 'v2.1', project);
const view = (changes: Partial<View> = {}): View => ({ version: 96, links: links(null), may: (policy) => policy === 'see', ...changes });
const keyOf = (changes: Partial<View> = {}) => keyedView(view(changes), ['see', 'touch']).key;

test('views that differ in anything that is shown have keys of their own', () => {
  const keys = [{}, { version: 95 }, { links: links('p1') }, { may: () => true }, { may: () => false }].map(keyOf);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keyOf()).toBe(keyOf({ links: links(null) }));
});

test('a policy that the key does not say is not answered: what is shown by it would be shown to others', () => {
  const { view: keyed } = keyedView(view(), ['see', 'touch']);
  expect([keyed.may('see'), keyed.may('touch')]).toEqual([true, false]);
  expect(() => keyed.may('smell')).toThrow('smell decides about a field');
});
