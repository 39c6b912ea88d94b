import { expect, test } from 'vitest';
import { parseCheck } from './check.ts';
import { Policy } from './policy.ts';

const who = (roles: readonly string[], projectId = 'p1') => ({ userId: 'u1', projectId, roles: new Set(roles) });
const policy = new Policy();

test.each([
  { rule: 'os_compute_api:servers:create', roles: ['member'], allowed: true },
  { rule: 'os_compute_api:servers:create', roles: ['reader'], allowed: false },
  { rule: 'os_compute_api:servers:show', roles: ['reader'], allowed: true },
  { rule: 'os_compute_api:os-aggregates:create', roles: ['member'], allowed: false },
  { rule: 'os_compute_api:os-aggregates:create', roles: ['admin'], allowed: true },
  { rule: 'os_compute_api:extensions', roles: [], allowed: true },
  { rule: 'compute:servers:resize:cross_cell', roles: ['admin'], allowed: false },
])('$rule with the roles $roles: $allowed', ({ rule, roles, allowed }) => {
  expect(policy.allows(rule, who(roles))).toBe(allowed);
});

test('what belongs to another project or user needs the administrator', () => {
  const other = { project_id: 'p2', user_id: 'u2' };
  expect(policy.allows('os_compute_api:os-quota-sets:show', who(['member', 'reader']), other)).toBe(false);
  expect(policy.allows('os_compute_api:os-quota-sets:show', who(['admin']), other)).toBe(true);
  expect(policy.allows('os_compute_api:os-keypairs:show', who([]), { ...other, user_id: 'u1' })).toBe(true);
  expect(policy.allows('os_compute_api:os-keypairs:show', who([]), other)).toBe(false);
});

test('a token without a project is let through by no rule', () => {
  expect(policy.allows('os_compute_api:extensions', who(['admin'], ''))).toBe(false);
});

test('a rule can be replaced', () => {
  const changed = new Policy({ 'os_compute_api:os-aggregates:create': 'role:operator or rule:context_is_admin' });
  expect(changed.allows('os_compute_api:os-aggregates:create', who(['operator']))).toBe(true);
});

test.each([
  { text: 'role:a and (role:b or not role:c)', roles: ['a'], allowed: true },
  { text: 'role:a and (role:b or not role:c)', roles: ['a', 'c'], allowed: false },
  { text: '(role:a)', roles: ['a'], allowed: true },
  { text: '!', roles: ['a'], allowed: false },
  { text: '', roles: [], allowed: true },
])('"$text" with $roles: $allowed', ({ text, roles, allowed }) => {
  expect(parseCheck(text)(who(roles), { project_id: '', user_id: '' }, () => () => false)).toBe(allowed);
});

test.each(['role:a and', 'role:a )', '(role:a', 'colour:blue', 'role:a role:b'])('"%s" is refused as a rule', (text) => {
  expect(() => parseCheck(text)).toThrow(/policy/);
});
