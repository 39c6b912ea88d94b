import { envName, snakeCase, type Option, type Section } from '@kilonova/runtime';

const cell = (value: string) => value.replaceAll('|', '\\|').replaceAll('\n', ' ');

function defaultOf({ default: value, secret }: Option<unknown>): string {
  if (value === '' || (Array.isArray(value) && value.length === 0)) return '';
  if (secret) return typeof value === 'object' && !Array.isArray(value) ? '' : '(secret)';
  return `\`${cell(typeof value === 'string' ? value : JSON.stringify(value))}\``;
}

const rowsOf = ({ options }: Section) =>
  Object.entries(options).map(
    ([key, option]) => `| \`${snakeCase(key)}\` | ${cell(option.kind)} | ${defaultOf(option)} | ${cell(option.help)} |`,
  );

/** docs/configuration.md. */
export const configurationPage = (sections: readonly Section[]): string =>
  [
    '# Configuration',
    '',
    'Made by `kilonova config`; edit the sections in the code, not this page.',
    '',
    'Every process takes `--config FILE` (YAML), the environment, and `--set section.key=value`; the later wins. One file serves all',
    `processes. \`conductor: { lease_ms: 5000 }\` in YAML is \`${envName('conductor', 'leaseMs')}=5000\` in the environment; a list is`,
    'comma-separated there and a mapping is JSON. A secret may also be read from a file: `password_file: PATH`, or the name in the',
    'environment with `_FILE` at its end. Whatever is unknown is refused, with the nearest known name. `KILONOVA_CONFIG=FILE` stands for `--config FILE`.',
    ...sections.flatMap((one) => [
      '',
      `## ${snakeCase(one.name)}`,
      '',
      '| key | what | default | meaning |',
      '| --- | --- | --- | --- |',
      ...rowsOf(one),
    ]),
    '',
  ].join('\n');
