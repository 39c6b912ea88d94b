#!/usr/bin/env node
// test.mjs [--only STAGE[,STAGE...]] [FILTER...]   what `npm test` runs, from nothing: see test.ts.
import { runUnderToolsNode } from './tools-node.mjs';

runUnderToolsNode('./test.ts');
