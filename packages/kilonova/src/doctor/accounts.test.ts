import { expect, test } from 'vitest';
import { accountTroubles, type Definitions } from './accounts.ts';

const needed: Definitions = {
  users: [{ name: 'conductor' }, { name: 'compute.h1' }],
  permissions: [
    { user: 'conductor', vhost: '/', configure: '^k\\.', write: '^k\\.', read: '^k\\.' },
    { user: 'compute.h1', vhost: '/', configure: '^$', write: '^k\\.from$', read: '^k\\.h1$' },
  ],
  topic_permissions: [{ user: 'compute.h1', vhost: '/', exchange: 'k.from', write: '^reports$', read: '^$' }],
};
const but = (changes: Partial<Definitions>): Definitions => ({ ...needed, ...changes });

test.each<{ title: string; found: Definitions; troubles: readonly string[] }>([
  {
    title: 'nothing, beside accounts of others',
    found: but({ users: [...needed.users, { name: 'guest', tags: ['administrator'] }] }),
    troubles: [],
  },
  { title: 'a missing account', found: but({ users: [{ name: 'conductor' }] }), troubles: ['the account compute.h1 is missing'] },
  {
    title: 'tags that make an administrator of a host',
    found: but({
      users: [
        { name: 'conductor', tags: '' },
        { name: 'compute.h1', tags: 'administrator' },
      ],
    }),
    troubles: ['the account compute.h1 has the tags administrator, and should have none'],
  },
  {
    title: 'rights that are missing',
    found: but({ permissions: needed.permissions.slice(0, 1) }),
    troubles: ['the account compute.h1 has no rights in the virtual host /'],
  },
  {
    title: 'a right that reaches too far',
    found: but({ permissions: [needed.permissions[0]!, { ...needed.permissions[1]!, configure: '.*' }] }),
    troubles: ['the account compute.h1 may configure .* in the virtual host /, and should ^$'],
  },
  {
    title: 'rights where none should be',
    found: but({ permissions: [...needed.permissions, { user: 'compute.h1', vhost: 'other', configure: '', write: '', read: '.*' }] }),
    troubles: ['the account compute.h1 has rights in the virtual host other, and should have none'],
  },
  {
    title: 'topics that reach too far',
    found: but({ topic_permissions: [{ ...needed.topic_permissions[0]!, write: '.*' }] }),
    troubles: ['the account compute.h1 may write .* in the virtual host / by the topics of k.from, and should ^reports$'],
  },
  {
    title: 'topics without limits',
    found: but({ topic_permissions: [] }),
    troubles: ['the account compute.h1 has no rights in the virtual host / by the topics of k.from'],
  },
])('is told: $title', ({ found, troubles }) => {
  expect(accountTroubles(needed, found)).toEqual(troubles);
});
