import type { Command } from '../cli/command.ts';
import { sections } from '../config/sections.ts';
import { configurationPage } from '../config/table.ts';

export const config: Command = {
  name: 'config',
  summary: 'Print every option of the configuration as a table (Markdown).',
  options: {},
  run: async () => {
    process.stdout.write(configurationPage(sections));
    return 0;
  },
};
