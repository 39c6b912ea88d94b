import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { cloudsYaml, loginsOf, openrc } from './client-files.ts';

const logins = loginsOf('http://127.0.0.1:5000/v3', { admin: "a'b", demo: 'd"e: #', service: 's' });

test('clouds.yaml holds the administrator and the member, whatever is in their passwords', () => {
  const { clouds } = parse(cloudsYaml(logins)) as { clouds: Record<string, { auth: Record<string, string> }> };
  expect(clouds['kilonova']?.auth).toMatchObject({
    auth_url: 'http://127.0.0.1:5000/v3',
    username: 'admin',
    project_name: 'admin',
    password: "a'b",
  });
  expect(clouds['demo']?.auth).toMatchObject({ username: 'demo', project_name: 'demo', password: 'd"e: #' });
});

test('openrc quotes what a shell would read otherwise', () => {
  expect(openrc(logins.kilonova)).toContain(`export OS_PASSWORD='a'\\''b'\n`);
});
