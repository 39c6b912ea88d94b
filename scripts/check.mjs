#!/usr/bin/env node
// check.mjs [NAME...]   types, lint, format, unused code, package boundaries. All are run, whichever fails.
import { runUnderToolsNode } from './tools-node.mjs';

runUnderToolsNode('./check.ts');
