// This library in the wire format of oslo.messaging, on both ends.
//   node codec-process.ts client|server AMQP-URL
import { call, cast, connectOslo, createOsloClient, defineContract, Exclude, Expose, osloEndpoint, serveOslo, Type } from '@kilonova/rpc';
import { reportHandled, takeOrders } from './load.ts';

class Text {
  text!: string;
}
Exclude()(Text);
Expose()(Text.prototype, 'text');
Type(() => String)(Text.prototype, 'text');

const contract = defineContract({
  topic: 'bench-codec',
  version: '1.0',
  methods: { echo: call({ since: '1.0', request: Text, response: Text }), note: cast({ since: '1.0', request: Text }) },
});

const [role = '', url = ''] = process.argv.slice(2);
const transport = await connectOslo({ url, service: role });

if (role === 'server') {
  let count = 0;
  const endpoint = osloEndpoint(contract, {
    echo: (_context, request) => (count++, request),
    note: () => void count++,
  });
  await serveOslo(transport, [endpoint], { server: 'one' });
  reportHandled(() => count);
} else {
  const client = createOsloClient(transport, contract);
  takeOrders(({ op, bytes }) => {
    const request = Object.assign(new Text(), { text: 'x'.repeat(bytes) });
    return op === 'call' ? () => client.echo(request) : () => client.note(request);
  });
}
