import { expect, test } from 'vitest';
import { countsIn } from './counters.ts';

const text = `# HELP kilonova_database_statements_total Statements sent to the database.
# TYPE kilonova_database_statements_total counter
kilonova_database_statements_total{service="conductor"} 120
kilonova_rpc_calls_total{service="api",topic="conductor",method="createServers"} 7
kilonova_rpc_calls_total{service="api",topic="conductor",method="getServer"} 1000
kilonova_rpc_casts_total{method="spawn",topic="compute",service="conductor"} 5
kilonova_rpc_casts_total{method="heartbeat",topic="host-reports",service="compute"} 900
kilonova_rpc_handled_total{topic="compute",method="spawn",service="compute"} 5
kilonova_tasks{kind="x",state="running"} 3
`;

test('statements and messages of all processes are summed, without signs of life and readings', () => {
  expect(countsIn([text, 'kilonova_database_statements_total 1.5e+2\n'])).toEqual({ statements: 270, messages: 12 });
});
