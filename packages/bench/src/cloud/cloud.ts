import { askHttp, systemClock, type HttpAnswer } from '@kilonova/runtime';
import { deadlineIn } from '../measure/deadline.ts';
import type { Login } from './login.ts';

/** Enough for "networks": "none" (2.37), and known to every cloud since 2017. */
const MICROVERSION = '2.37';
const MAX_ANSWER_BYTES = 64 * 1_048_576;
const QUESTION_MS = 60_000;

interface Endpoint {
  readonly interface: string;
  readonly url: string;
  readonly region?: string;
  readonly region_id?: string;
}
interface Token {
  readonly project?: { readonly id: string };
  readonly catalog?: readonly { readonly type: string; readonly endpoints: readonly Endpoint[] }[];
}

export interface Question {
  readonly method?: string;
  readonly body?: object;
  /** Statuses besides 2xx that are no error. */
  readonly also?: readonly number[];
  readonly signal?: AbortSignal;
  /** Leave the answer's body as it is: reading a long one would hold up the others that are timed. */
  readonly unread?: boolean;
}

export interface CloudAnswer<T> {
  readonly status: number;
  /** Undefined when there is none. */
  readonly body: T;
  readonly bytes: number;
  /** The server's clock, milliseconds since the epoch; NaN when it does not say. */
  readonly date: number;
}

/** A cloud with a token of the login: the Compute and the Image API by their addresses in the catalog. */
export class Cloud {
  readonly #login: Login;
  #token = '';
  #renewal: Promise<void> | undefined;
  projectId = '';
  computeUrl = '';
  imageUrl: string | undefined;

  private constructor(login: Login) {
    this.#login = login;
  }

  /** @throws Error that says what is wrong with the login or the catalog */
  static async open(login: Login): Promise<Cloud> {
    const cloud = new Cloud(login);
    await cloud.#renew();
    return cloud;
  }

  /**
   * One question to the Compute API, or to `base`; with a token that has ended once more with a new one.
   * @throws Error with the status and the beginning of what came instead
   */
  async ask<T = unknown>(path: string, question: Question = {}, base: string = this.computeUrl): Promise<CloudAnswer<T>> {
    let answer = await this.#send(path, question, base);
    if (answer.status === 401) {
      await this.#renew();
      answer = await this.#send(path, question, base);
    }
    const { status, text, bytes, headers } = answer;
    if ((status < 200 || status > 299) && question.also?.includes(status) !== true)
      throw new Error(`${question.method ?? 'GET'} ${path.split('?')[0]}: ${status} ${text.slice(0, 200)}`);
    return {
      status,
      body: (text === '' || status > 299 ? undefined : JSON.parse(text)) as T,
      bytes,
      date: Date.parse(headers.date ?? ''),
    };
  }

  #send(path: string, { method = 'GET', body, signal, unread = false }: Question, base: string): Promise<HttpAnswer> {
    const limit = deadlineIn(QUESTION_MS, systemClock, signal);
    return askHttp(base + path, {
      method,
      headers: {
        'X-Auth-Token': this.#token,
        'OpenStack-API-Version': `compute ${MICROVERSION}`,
        Accept: 'application/json',
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: limit.signal,
      maxAnswerBytes: MAX_ANSWER_BYTES,
      unread,
    }).finally(() => limit.end());
  }

  /** Several that meet a token that has ended share one new one. */
  #renew(): Promise<void> {
    this.#renewal ??= this.#logIn().finally(() => (this.#renewal = undefined));
    return this.#renewal;
  }

  async #logIn(): Promise<void> {
    const { authUrl, username, password, userDomain, project, projectDomain, region, interface: wanted } = this.#login;
    const answer = await askHttp(`${authUrl}/auth/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify({
        auth: {
          identity: { methods: ['password'], password: { user: { name: username, password, domain: userDomain } } },
          scope: { project: 'id' in project ? project : { ...project, domain: projectDomain } },
        },
      }),
      signal: AbortSignal.timeout(QUESTION_MS),
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
    const subject = answer.headers['x-subject-token'];
    if (answer.status !== 201 || typeof subject !== 'string')
      throw new Error(`${authUrl} gives ${username} no token: ${answer.status} ${answer.text.slice(0, 200)}`);
    const { token } = JSON.parse(answer.text) as { token: Token };
    const urlOf = (type: string) =>
      token.catalog
        ?.find((service) => service.type === type)
        ?.endpoints.find((one) => one.interface === wanted && (region === undefined || region === (one.region_id ?? one.region)))
        ?.url.replace(/\/+$/, '');
    const compute = urlOf('compute');
    if (compute === undefined)
      throw new Error(`the catalog of ${authUrl} has no ${wanted} address of a compute service${region ? ` in ${region}` : ''}`);
    this.#token = subject;
    this.projectId = token.project?.id ?? '';
    this.computeUrl = compute;
    this.imageUrl = urlOf('image')?.replace(/\/v2$/, '');
  }
}
