import { expect, test } from 'vitest';
import { cast, defineContract, Empty, stream, type Methods } from '../index.ts';
import { checkOsloContract } from './target.ts';

const CASES: readonly { readonly what: string; readonly methods: Methods; readonly says: RegExp }[] = [
  {
    what: 'a stream',
    methods: { list: stream({ since: '1.0', request: Empty, item: Empty }) },
    says: /work\.list: oslo\.messaging has no streams/,
  },
  {
    what: 'an order by key',
    methods: { step: cast({ since: '1.0', request: Empty, orderedBy: () => 'one' }) },
    says: /work\.step: oslo\.messaging keeps no order by key/,
  },
];

test.each(CASES)('a contract with $what is refused, for it would be promised in vain', ({ methods, says }) => {
  const contract = defineContract({ topic: 'work', version: '1.0', methods });
  expect(() => checkOsloContract(contract)).toThrow(says);
});
