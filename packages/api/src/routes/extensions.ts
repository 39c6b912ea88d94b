import type { Api } from '../api.ts';
import { notFound } from '../http/api-error.ts';
import type { ApiRequest } from '../http/request.ts';
import { readData } from '../schema/data.ts';
import type { Route } from './route.ts';

interface Extension {
  readonly alias: string;
}

let known: readonly Extension[] | undefined;

/** A fixed list since microversions took over: the one that 2.1 had. */
const all = (): readonly Extension[] => (known ??= (JSON.parse(readData('extensions.json')) as { extensions: Extension[] }).extensions);

const POLICY = 'os_compute_api:extensions';

async function show(_api: Api, { params }: ApiRequest) {
  const extension = all().find(({ alias }) => alias === params['id']);
  if (extension === undefined) throw notFound();
  return { extension };
}

export const extensionRoutes: readonly Route[] = [
  { method: 'GET', path: '/extensions', success: 200, policies: [POLICY], handle: async () => ({ extensions: all() }) },
  { method: 'GET', path: '/extensions/{id}', success: 200, policies: [POLICY], handle: show },
];
