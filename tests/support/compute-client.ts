import type { Credentials } from './openstack.ts';

export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; the text when it is none; undefined when it is empty. */
  readonly body: T;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly microversion?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Plain HTTP with a token, for what the stock clients cannot say. No answer is an error: tests look at the status. */
export class ComputeClient {
  private readonly credentials: Credentials;
  private readonly computeUrl: string;
  private token: string | undefined;

  /** `computeUrl` without a version: http://host:port. */
  constructor(credentials: Credentials, computeUrl: string) {
    this.credentials = credentials;
    this.computeUrl = computeUrl;
  }

  async request<T = unknown>(
    method: string,
    path: string,
    { body, microversion = '2.96', headers = {}, timeoutMs = 30_000 }: RequestOptions = {},
  ): Promise<Answer<T>> {
    this.token ??= await freshToken(this.credentials);
    const response = await fetch(`${this.computeUrl}/v2.1${path}`, {
      method,
      headers: {
        'x-auth-token': this.token,
        'openstack-api-version': `compute ${microversion}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, headers: response.headers, body: parsed(await response.text()) as T };
  }

  /** The body of an answer that must be a success. Throws with what came instead. */
  async expect<T = unknown>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const { status, body } = await this.request<T>(method, path, options);
    if (status >= 300) throw new Error(`${method} ${path}: expected success, found ${status} ${JSON.stringify(body)}`);
    return body;
  }
}

/** A Keystone v3 token by password. */
export async function freshToken({ authUrl, username, password, project }: Credentials): Promise<string> {
  const domain = { id: 'default' };
  const auth = {
    identity: { methods: ['password'], password: { user: { name: username, password, domain } } },
    scope: { project: { name: project, domain } },
  };
  const response = await fetch(`${authUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth }),
    signal: AbortSignal.timeout(30_000),
  });
  const token = response.headers.get('x-subject-token');
  if (response.status !== 201 || token === null) throw new Error(`no token for ${username}: ${response.status} ${await response.text()}`);
  return token;
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
