import { CreateKeypair, KeypairRef, ListKeypairs } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest } from '../http/api-error.ts';
import { lastOf } from '../http/query.ts';
import { Reply, type ApiRequest } from '../http/request.ts';
import { newSshKey, sshFingerprint, x509Fingerprint } from '../keys/ssh-key.ts';
import { keypairFields, keypairNameFields, newKeypairFields } from '../views/keypair.ts';
import { render, viewOf } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import { nextLinks, pageOf } from './page.ts';
import type { Route } from './route.ts';

interface NewKeypair {
  readonly name: string;
  readonly type?: 'ssh' | 'x509';
  readonly public_key?: string;
  readonly user_id?: string;
}

/** Whose key pairs: the caller's, or from 2.10 those of the user that is named. @throws ApiError 403 */
function ownerOf(api: Api, { caller, version }: ApiRequest, policy: string, named: string | undefined): string {
  const userId = version >= 10 && named !== undefined && named !== '' ? named : caller.userId;
  api.policy.demand(`os_compute_api:os-keypairs:${policy}`, caller, { user_id: userId, project_id: caller.projectId });
  return userId;
}

const queryOwner = (api: Api, request: ApiRequest, policy: string) => ownerOf(api, request, policy, lastOf(request.query, 'user_id'));

async function list(api: Api, request: ApiRequest) {
  const userId = queryOwner(api, request, 'index');
  const paged = request.version >= 35;
  const page = paged ? pageOf(request, api.config) : { limit: api.config.maxLimit, marker: null };
  const limit = page.limit === 0 ? api.config.maxLimit : page.limit;
  const asked = make(ListKeypairs, { scope: scopeFor(api, request), userId, marker: page.marker, limit });
  const keypairs = await collect(api, api.conductor.listKeypairs(asked, request.rpc), limit);
  const next = paged
    ? nextLinks(
        request,
        page,
        keypairs.map(({ name }) => name),
      )
    : undefined;
  const view = viewOf(api, request);
  return {
    keypairs: keypairs.map((keypair) => ({ keypair: render(keypairNameFields, keypair, view) })),
    ...(next === undefined ? {} : { keypairs_links: next }),
  };
}

/** Up to 2.91 the schema lets more through than a name may hold. */
function demandSafeName(name: string, version: number): void {
  if (version < 92 && !/^[A-Za-z0-9 _-]+$/.test(name)) throw badRequest('Keypair data is invalid: Keypair name contains unsafe characters');
}

async function create(api: Api, request: ApiRequest) {
  const { keypair: given } = request.body as { keypair: NewKeypair };
  const userId = ownerOf(api, request, 'create', given.user_id);
  demandSafeName(given.name, request.version);
  const type = given.type ?? 'ssh';
  const made = given.public_key === undefined ? await generated(type) : { publicKey: given.public_key, privateKey: undefined };
  const keypair = await api.conductor.createKeypair(
    make(CreateKeypair, {
      scope: scopeFor(api, request),
      userId,
      name: given.name,
      type,
      publicKey: made.publicKey,
      fingerprint: type === 'x509' ? x509Fingerprint(made.publicKey) : sshFingerprint(made.publicKey),
    }),
    request.rpc,
  );
  const shown = render(newKeypairFields, keypair, viewOf(api, request));
  return { keypair: made.privateKey === undefined ? shown : { ...shown, private_key: made.privateKey } };
}

async function generated(type: string) {
  if (type === 'x509') throw badRequest('Keypair data is invalid: certificates are not generated here, send one as public_key');
  return newSshKey();
}

const refOf = (api: Api, request: ApiRequest, policy: string) =>
  make(KeypairRef, { scope: scopeFor(api, request), userId: queryOwner(api, request, policy), name: request.params['id']! });

async function show(api: Api, request: ApiRequest) {
  const keypair = await api.conductor.getKeypair(refOf(api, request, 'show'), request.rpc);
  return { keypair: render(keypairFields, keypair, viewOf(api, request)) };
}

async function remove(api: Api, request: ApiRequest) {
  await api.conductor.deleteKeypair(refOf(api, request, 'delete'), request.rpc);
  return new Reply(undefined);
}

const PATH = '/os-keypairs';

export const keypairRoutes: readonly Route[] = [
  { method: 'GET', path: PATH, success: 200, handle: list },
  {
    method: 'POST',
    path: PATH,
    success: [
      [1, 200],
      [2, 201],
    ],
    handle: create,
  },
  { method: 'GET', path: `${PATH}/{id}`, success: 200, handle: show },
  {
    method: 'DELETE',
    path: `${PATH}/{id}`,
    success: [
      [1, 202],
      [2, 204],
    ],
    handle: remove,
  },
];
