import { askHttp, type Clock, type HttpAnswer } from '@kilonova/runtime';

/** The other service gave no usable answer: not reachable, too slow, too large, or broken inside. */
export class UpstreamUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UpstreamUnavailable';
  }
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: HttpAnswer['headers'];
  /** undefined when the answer had no JSON in it. */
  readonly body: unknown;
}

export interface JsonClientOptions {
  /** For texts: "the identity service". */
  readonly name: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  /** Questions at the same time. */
  readonly maxChecks: number;
}

/** Asks another OpenStack service, with every limit in place. Answers with status 500 and above count as no answer. */
export class JsonClient {
  readonly #options: JsonClientOptions;
  #asking = 0;

  constructor(options: JsonClientOptions) {
    this.#options = options;
  }

  /** @throws UpstreamUnavailable */
  async ask(
    url: string,
    init: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown },
  ): Promise<JsonAnswer> {
    const { name, clock, timeoutMs, maxAnswerBytes, maxChecks } = this.#options;
    if (this.#asking >= maxChecks) throw new UpstreamUnavailable(`${name} is asked too much at once`);
    const abort = new AbortController();
    const cancel = clock.after(timeoutMs, () => abort.abort(new Error(`no answer within ${timeoutMs} ms`)));
    this.#asking++;
    try {
      const { status, headers, text } = await askHttp(url, {
        method: init.method ?? 'GET',
        headers: {
          Accept: 'application/json',
          ...(init.body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...init.headers,
        },
        ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
        signal: abort.signal,
        maxAnswerBytes,
      });
      if (status >= 500) throw new Error(`status ${status}`);
      if (status >= 301 && 'location' in headers) throw new Error(`a redirection, status ${status}`);
      return { status, headers, body: parsed(text) };
    } catch (error) {
      throw new UpstreamUnavailable(`${name} gave no usable answer: ${reason(error)}`, { cause: error });
    } finally {
      this.#asking--;
      cancel();
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error.cause instanceof Error ? error.cause : error;
  return (inner as NodeJS.ErrnoException).code ?? inner.message;
}
