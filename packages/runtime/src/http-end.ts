import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';

/**
 * An orderly end for an HTTP server, to be set up before it listens: it takes no new connections, ends those that wait for a
 * request (also those that never sent one, which `closeIdleConnections` leaves open), lets requests in work finish within
 * `graceMs`, then cuts them. The returned function may be called once.
 */
export function orderlyEnd(server: Server, { clock, graceMs }: { readonly clock: Clock; readonly graceMs: number }): () => Promise<void> {
  /** Open connections, and how many requests each has in work. */
  const busy = new Map<Socket, number>();
  let ending = false;
  server.on('connection', (socket) => {
    busy.set(socket, 0);
    socket.once('close', () => busy.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    const change = (by: number) => {
      const now = busy.get(socket);
      if (now !== undefined) busy.set(socket, now + by);
    };
    change(1);
    response.once('close', () => {
      change(-1);
      // Its answer may have promised to keep the connection, when it began before the end did.
      if (ending && busy.get(socket) === 0) socket.destroySoon();
    });
  });
  return () =>
    new Promise((settle) => {
      ending = true;
      const cancel = clock.after(graceMs, () => server.closeAllConnections());
      server.close(() => {
        cancel();
        settle();
      });
      for (const [socket, requests] of busy) if (requests === 0) socket.destroy();
    });
}
