import type { IncomingMessage } from 'node:http';
import type { ApiConfig } from '../config.ts';
import { JsonText } from './json-text.ts';

export interface Link {
  readonly rel: string;
  readonly href: string;
  readonly type?: string;
}

const HOST = /^[a-z0-9._~-]+(?::\d{1,5})?$|^\[[0-9a-f:.]+\](?::\d{1,5})?$/i;

/** Scheme, host and port as the client reached us (Host header), without a slash at the end. */
export function rootOf(request: IncomingMessage, config: Pick<ApiConfig, 'computeLinkPrefix' | 'trustForwardedHeaders'>): string {
  if (config.computeLinkPrefix !== '') return config.computeLinkPrefix.replace(/\/+$/, '');
  const forwarded = (name: string) => {
    const value = config.trustForwardedHeaders ? request.headers[name] : undefined;
    return (Array.isArray(value) ? value[0] : value)?.split(',')[0]?.trim();
  };
  const scheme = forwarded('x-forwarded-proto') === 'https' ? 'https' : 'http';
  const asked = forwarded('x-forwarded-host') ?? request.headers.host ?? '';
  const { localAddress = '127.0.0.1', localPort = 80 } = request.socket;
  const local = localAddress.includes(':') ? `[${localAddress}]` : localAddress;
  return `${scheme}://${HOST.test(asked) ? asked : `${local}:${localPort}`}`;
}

/** Links of one request: with the project where its URL had it (contract, "URLs and links"). */
export class Links {
  readonly #root: string;
  readonly #imageRoot: string;
  readonly #endpoint: string;
  readonly #project: string;
  /** JSON texts without their last quote. */
  readonly #selfFront: string;
  readonly #bookmarkFront: string;

  /** `endpoint` is v2.1 or v2; `project` the project in the URL, null when it had none. */
  constructor(root: string, imageLinkPrefix: string, endpoint: string, project: string | null) {
    this.#root = root;
    this.#imageRoot = imageLinkPrefix === '' ? root : imageLinkPrefix.replace(/\/+$/, '');
    this.#endpoint = endpoint;
    this.#project = project === null ? '' : `/${project}`;
    this.#selfFront = JSON.stringify(this.self('')).slice(0, -1);
    this.#bookmarkFront = JSON.stringify(this.bookmark('')).slice(0, -1);
  }

  /** Of links that are alike. */
  get key(): string {
    return [this.#root, this.#imageRoot, this.#endpoint, this.#project].join(' ');
  }

  /** `path` like `servers/ID`. */
  self(path: string): string {
    return `${this.#root}/${this.#endpoint}${this.#project}/${path}`;
  }

  bookmark(path: string): string {
    return `${this.#root}${this.#project}/${path}`;
  }

  image(id: string): string {
    return `${this.#imageRoot}${this.#project}/images/${id}`;
  }

  /** The same as `both`, as JSON; of a path that JSON need not escape. */
  bothText(path: string): JsonText {
    return new JsonText(`[{"rel":"self","href":${this.#selfFront}${path}"},{"rel":"bookmark","href":${this.#bookmarkFront}${path}"}]`);
  }

  /** self and bookmark. */
  both(path: string): readonly Link[] {
    return [
      { rel: 'self', href: this.self(path) },
      { rel: 'bookmark', href: this.bookmark(path) },
    ];
  }
}
