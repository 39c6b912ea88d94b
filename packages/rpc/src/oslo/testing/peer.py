"""A service of plain oslo.messaging: peer.py URL EXCHANGE [RABBIT_OPTION=VALUE...]

Takes one JSON order a line on standard input ({"id", "op", ...}) and answers one a line ({"id", "result" | "error"});
what happens to its endpoints is told as {"event", ...}. Ends with its standard input.
"""
import json
import sys
import threading
import time

from oslo_config import cfg
import oslo_messaging as om

DISPATCHER = 'oslo_messaging.rpc.dispatcher'
out_lock = threading.Lock()


def say(**line):
    with out_lock:
        sys.stdout.write(json.dumps(line) + '\n')
        sys.stdout.flush()


class RoomError(Exception):
    """An error of this service, of a module that no client allows."""


class Endpoint(object):
    target = om.Target(version='1.1')

    def echo(self, ctxt, body):
        return body

    def add(self, ctxt, a, b):
        return a + b

    def nothing(self, ctxt):
        return None

    def who(self, ctxt):
        return {'user': ctxt.get('user_id'), 'request': ctxt.get('request_id')}

    def missing(self, ctxt, key):
        return {}[key]

    def no_room(self, ctxt):
        raise RoomError('no room for 2 more')

    def slow(self, ctxt, seconds):
        time.sleep(seconds)
        return 'done'

    def note(self, ctxt, text):
        say(event='note', text=text, server=self.server)


class Spaced(object):
    target = om.Target(namespace='admin', version='2.0')

    def echo(self, ctxt, body):
        return ['admin', body]


class Listener(object):
    def _heard(self, priority, ctxt, publisher_id, event_type, payload, metadata):
        say(event='notification', priority=priority, publisher=publisher_id, type=event_type, payload=payload,
            id=metadata['message_id'], time=metadata['timestamp'], user=ctxt.get('user_id'))

    def info(self, *args):
        self._heard('info', *args)

    def error(self, *args):
        self._heard('error', *args)


class Peer(object):
    def __init__(self, url, exchange, settings):
        self.conf = cfg.CONF  # the only one that this release registers its metrics options with
        self.conf([], project='peer')
        om.set_transport_defaults(exchange)
        self.transport = om.get_rpc_transport(self.conf, url, allowed_remote_exmods=[DISPATCHER])
        self.notifications = om.get_notification_transport(self.conf, url)
        for option, value in (setting.split('=') for setting in settings):
            self.conf.set_override(option, json.loads(value), group='oslo_messaging_rabbit')
        self.servers = []

    def serve(self, topic, server):
        endpoint = Endpoint()
        endpoint.server = server
        started = om.get_rpc_server(self.transport, om.Target(topic=topic, server=server), [endpoint, Spaced()],
                                    executor='threading', access_policy=om.DefaultRPCAccessPolicy)
        started.start()
        self.servers.append(started)

    def send(self, how, topic, method, args, server=None, version=None, namespace=None, timeout=5, monitor=None,
             context=None, fanout=None):
        client = om.RPCClient(self.transport, om.Target(topic=topic), timeout=timeout)
        prepared = client.prepare(**{k: v for k, v in {
            'server': server, 'version': version, 'namespace': namespace, 'call_monitor_timeout': monitor,
            'fanout': fanout}.items() if v is not None})
        return getattr(prepared, how)(context or {}, method, **args)

    def notify(self, publisher, priority, type, payload, topic, context=None, driver='messagingv2'):
        notifier = om.Notifier(self.notifications, publisher, driver=driver, topics=[topic])
        getattr(notifier, priority)(context or {}, type, payload)

    def listen(self, topic, pool=None):
        listener = om.get_notification_listener(self.notifications, [om.Target(topic=topic)], [Listener()],
                                                executor='threading', pool=pool)
        listener.start()
        self.servers.append(listener)

    def obey(self, order):
        number, op = order.pop('id'), order.pop('op')
        try:
            say(id=number, result=getattr(self, op)(**order))
        except Exception as error:
            say(id=number, error={'class': type(error).__name__, 'bases': [c.__name__ for c in type(error).__mro__],
                                  'exc_type': getattr(error, 'exc_type', None), 'text': str(error)})


def main():
    peer = Peer(sys.argv[1], sys.argv[2], sys.argv[3:])
    say(event='ready')
    for line in sys.stdin:
        threading.Thread(target=peer.obey, args=(json.loads(line),), daemon=True).start()
    for server in peer.servers:
        server.stop()


main()
