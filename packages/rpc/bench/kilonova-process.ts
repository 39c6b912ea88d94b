// This library, with everything on that it always has on: versions, deadline, mandatory, typed errors, validated sender.
//   node kilonova-process.ts client|server AMQP-URL
import { call, cast, connectAmqp, createClient, defineContract, Exclude, Expose, serve, Type } from '@kilonova/rpc';
import { reportHandled, takeOrders } from './load.ts';

class Text {
  text!: string;
}
Exclude()(Text);
Expose()(Text.prototype, 'text');
Type(() => String)(Text.prototype, 'text');

const said = {
  topic: 'bench',
  version: '1.0',
  methods: { echo: call({ since: '1.0', request: Text, response: Text }), note: cast({ since: '1.0', request: Text }) },
};
/** On quorum queues calls wait for the confirmation too, as those by hand do. */
const contracts = { classic: defineContract(said), quorum: defineContract({ ...said, delivery: { confirm: true } }) };

const [role = '', url = ''] = process.argv.slice(2);
const open = (queues: 'classic' | 'quorum') => connectAmqp({ url, service: role, id: '1', namespace: `bench-${queues}`, queues });
const transports = { classic: await open('classic'), quorum: await open('quorum') };

if (role === 'server') {
  let count = 0;
  for (const queues of ['classic', 'quorum'] as const)
    await serve(transports[queues], contracts[queues], {
      echo: (_context, request) => (count++, request),
      note: () => void count++,
    });
  reportHandled(() => count);
} else {
  const clients = {
    classic: createClient(transports.classic, contracts.classic),
    quorum: createClient(transports.quorum, contracts.quorum),
  };
  takeOrders(({ op, queue, bytes }) => {
    const request = Object.assign(new Text(), { text: 'x'.repeat(bytes) });
    const client = clients[queue];
    return op === 'call' ? () => client.echo(request) : () => client.note(request);
  });
}
