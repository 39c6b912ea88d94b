#!/usr/bin/env node
// with-services.mjs -- COMMAND...   runs COMMAND with a RabbitMQ and a PostgreSQL of its own, whose addresses it finds in
// KILONOVA_TEST_AMQP_URL and KILONOVA_TEST_PG_URL; both end with it.
import { runUnderToolsNode } from './tools-node.mjs';

runUnderToolsNode('./with-services.ts');
