// What a server process of the tests is asked. Plain shapes: the process runs on the sources, without a compiler.
import { call, cast, defineContract, shape } from '../index.ts';

const Word = shape<string>('a text', (value) => typeof value === 'string');

export const victimContract = defineContract({
  topic: 'victim',
  version: '1.0',
  methods: {
    work: call({ since: '1.0', request: Word, response: Word }),
    again: call({ since: '1.0', request: Word, response: Word, idempotent: true }),
    note: cast({ since: '1.0', request: Word }),
  },
});
