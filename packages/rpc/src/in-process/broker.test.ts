import { describe } from 'vitest';
import { openInProcessBench } from '../testing/benches.ts';
import { describeEverything } from '../testing/everything.ts';

describe('the in-process transport', () => {
  describeEverything(openInProcessBench);
});
