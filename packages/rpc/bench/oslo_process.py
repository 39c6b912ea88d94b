"""oslo.messaging's RPC echo: oslo_process.py client|server RABBIT-URL. Speaks the same lines as load.ts. Its threads are
real ones, as in a service with the threading executor; its queues are classic, requests are confirmed as it does always."""
import json
import logging
import os
import sys
import threading
import time

import oslo_messaging
from oslo_config import cfg

logging.disable(logging.CRITICAL)
role, url = sys.argv[1], sys.argv[2]
conf = cfg.CONF
conf([])
transport = oslo_messaging.get_rpc_transport(conf, url=url)
target = oslo_messaging.Target(topic='bench-oslo', server='one')


def say(kind, **fields):
    sys.stdout.write(json.dumps(dict(fields, type=kind)) + '\n')
    sys.stdout.flush()


def cpu_us():
    used = os.times()
    return (used.user + used.system) * 1e6


def serve():
    class Endpoint:
        count = 0

        def echo(self, context, text):
            Endpoint.count += 1
            return text

        def note(self, context, text):
            Endpoint.count += 1

    server = oslo_messaging.get_rpc_server(transport, target, [Endpoint()], executor='threading')
    server.start()
    say('ready')
    for _ in sys.stdin:
        say('handled', count=Endpoint.count, cpuUs=cpu_us())


def measure(client, cell):
    text = 'x' * cell['bytes']
    waits, running = [], [True]

    def loop():
        while running[0]:
            start = time.perf_counter()
            if cell['op'] == 'call':
                client.call({}, 'echo', text=text)
            else:
                client.cast({}, 'note', text=text)
            waits.append(time.perf_counter() - start)

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(cell['concurrency'])]
    for thread in threads:
        thread.start()
    time.sleep(cell['milliseconds'] * 0.3 / 1e3)
    before = len(waits)
    say('begin')
    cpu, start = cpu_us(), time.perf_counter()
    time.sleep(cell['milliseconds'] / 1e3)
    seconds, used = time.perf_counter() - start, cpu_us() - cpu
    measured = sorted(waits[before:])
    running[0] = False
    for thread in threads:
        thread.join()
    at = lambda share: measured[min(len(measured) - 1, int(len(measured) * share))] * 1e3 if measured else None
    say('end', count=len(measured), seconds=seconds, p50Ms=at(0.5), p99Ms=at(0.99), cpuUs=used)


if role == 'server':
    serve()
else:
    new = getattr(oslo_messaging, 'get_rpc_client', oslo_messaging.RPCClient)
    client = new(transport, target)
    client.call({}, 'echo', text='')
    say('ready')
    for line in sys.stdin:
        measure(client, json.loads(line))
os._exit(0)
