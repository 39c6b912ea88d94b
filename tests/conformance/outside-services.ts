import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PROJECT } from './canned-conductor.ts';

/** Identity and image services as an operator's cloud has them: small HTTP servers that speak the two or three calls the api makes. */

export const OTHER_PROJECT = '11111111111111111111111111111111';
const IMAGE = '70a599e0-31e7-49b7-b260-868f441e862b';
const QUEUED_IMAGE = '99999999-31e7-49b7-b260-868f441e862b';
export const images = { active: IMAGE, queued: QUEUED_IMAGE } as const;

interface Known {
  readonly user: string;
  readonly project: string | null;
  readonly roles: readonly string[];
}

export const tokens: Readonly<Record<string, Known>> = {
  admin: { user: 'admin', project: PROJECT, roles: ['admin'] },
  manager: { user: 'boss', project: PROJECT, roles: ['manager', 'member', 'reader'] },
  member: { user: 'fake', project: PROJECT, roles: ['member', 'reader'] },
  reader: { user: 'looker', project: PROJECT, roles: ['reader'] },
  stranger: { user: 'stranger', project: OTHER_PROJECT, roles: ['member', 'reader'] },
  roleless: { user: 'nobody', project: PROJECT, roles: [] },
  system: { user: 'admin', project: null, roles: ['admin'] },
};

/** `fake_tenant` is the project of the samples. */
const knownProjects = new Set([PROJECT, OTHER_PROJECT, 'fake_tenant']);

export interface Outside {
  readonly identityUrl: string;
  readonly imageUrl: string;
  /** Token checks so far. */
  checks: number;
  /** When set, every answer is this status. */
  broken: number | undefined;
  /** The api's own account is refused. */
  refusing: boolean;
  /** Logins of the api's own account so far; what each of them gave is refused after `forgetLogins`. */
  logins: number;
  forgetLogins(): void;
  /** When set, every check of a token is answered with this status. */
  checkStatus: number | undefined;
  /** When set, what is answered to every check of a token in place of the token. */
  token: unknown;
  /** When set, every question for an image is answered with this status. */
  imageStatus: number | undefined;
  stopImages(): Promise<void>;
  stop(): Promise<void>;
}

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, stop };
}

const send = (response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}) =>
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));

export async function startOutside(): Promise<Outside> {
  const state = {
    ...{ checks: 0, logins: 0, refusing: false, token: undefined as unknown },
    broken: undefined as number | undefined,
    checkStatus: undefined as number | undefined,
    imageStatus: undefined as number | undefined,
  };
  const own = new Set<string>();
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const image = await listen((request, response) => {
    const id = request.url?.split('/').at(-1);
    if (state.imageStatus !== undefined) return send(response, state.imageStatus, {});
    if (id !== IMAGE && id !== QUEUED_IMAGE) return send(response, 404, {});
    return send(response, 200, {
      id,
      name: 'cirros',
      status: id === IMAGE ? 'active' : 'queued',
      min_disk: 1,
      min_ram: 64,
      size: 12_345,
      disk_format: 'qcow2',
      container_format: 'bare',
      hw_disk_bus: 'virtio',
      tags: [],
    });
  });
  const catalog = [{ type: 'image', name: 'glance', endpoints: [{ interface: 'public', region_id: 'r1', url: image.url }] }];
  const identity = await listen((request, response) => {
    if (state.broken !== undefined) return send(response, state.broken, {});
    if (request.url === '/v3') return send(response, 200, { version: { id: 'v3.14', status: 'stable' } });
    if (request.method === 'POST' && state.refusing) return send(response, 401, {});
    if (request.method === 'POST') {
      own.add(`own-${++state.logins}`);
      return send(response, 201, { token: { expires_at: expiresAt } }, { 'X-Subject-Token': `own-${state.logins}` });
    }
    if (request.url === '/v3/') return send(response, 200, { version: { id: 'v3.14', status: 'stable' } });
    const project = /^\/v3\/projects\/(.+)$/.exec(request.url ?? '')?.[1];
    if (project !== undefined) return send(response, knownProjects.has(project) ? 200 : 404, {});
    if (!own.has(String(request.headers['x-auth-token']))) return send(response, 401, {});
    state.checks++;
    if (state.checkStatus !== undefined) return send(response, state.checkStatus, {});
    if (state.token !== undefined) return send(response, 200, { token: state.token });
    const known = tokens[String(request.headers['x-subject-token'])];
    if (known === undefined) return send(response, 404, {});
    return send(response, 200, {
      token: {
        user: { id: known.user },
        ...(known.project === null ? { system: { all: true } } : { project: { id: known.project } }),
        roles: known.roles.map((name) => ({ id: name, name })),
        expires_at: expiresAt,
        catalog,
      },
    });
  });
  return Object.assign(state, {
    identityUrl: `${identity.url}/v3`,
    imageUrl: image.url,
    forgetLogins: () => own.clear(),
    stopImages: () => image.stop(),
    stop: async () => {
      await identity.stop();
      await image.stop();
    },
  });
}
