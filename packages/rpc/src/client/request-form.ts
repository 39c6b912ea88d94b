import type { Attachment } from '../wire/attachments.ts';
import { decoderFor, encoderFor, type Decoder } from '../codec/codec.ts';
import { checkedIn } from '../codec/fields.ts';
import type { Class, Method, Version } from '../contract/contract.ts';
import type { UnsupportedVersion } from '../errors.ts';
import { toBytes } from '../wire/wire.ts';

export interface FormPlan {
  /** For errors: `scheduler.selectDestinations`. */
  readonly what: string;
  readonly method: Method;
  readonly request: object;
  /** The envelope without time and content. */
  head(version: string): object;
  /** It must not leave again: it could come after a later message of its key. */
  readonly ordered: boolean;
  readonly maxBytes: number;
  /** A server refused the version; whoever moves the pin may do it now. */
  refused(error: UnsupportedVersion): void;
  /** The version to speak now. @throws UnsupportedVersion when it has no such method */
  version(): Version & { readonly text: string };
}

/**
 * A request in the form of one version. The content is encoded once, and a repeat only states less time; but when the
 * pin has moved down meanwhile, the repeat takes the form that the peers of now understand.
 */
export class RequestForm {
  readonly #plan: FormPlan;
  #minor = -1;
  #version = '';
  #head = '';
  #content = '';
  #attachments: readonly Attachment[] = [];
  /** Made at once, for what is too large must be known before anything leaves; most requests need no other. */
  readonly #first: Buffer;
  #firstMs: number;

  /** @throws UnsupportedVersion, MalformedMessage, MessageTooLarge */
  constructor(plan: FormPlan, firstMs: number) {
    this.#plan = plan;
    this.#take(plan.version());
    this.#first = this.#bytes(firstMs);
    this.#firstMs = firstMs;
  }

  /** Of the whole message as it was made first. */
  get bytes(): number {
    return this.#first.length;
  }

  /** The message. `late`: it did not leave at once, or leaves again. @throws as the constructor */
  build(ms: number, late: boolean): Buffer {
    if (late) {
      const version = this.#plan.version();
      // Peers that learned more in between still understand what was written for the older ones.
      if (version.minor < this.#minor) {
        this.#take(version);
        this.#firstMs = Number.NaN;
      }
    }
    return ms === this.#firstMs ? this.#first : this.#bytes(ms);
  }

  /**
   * What to do when a server says that it does not know the version. It has done nothing, so the request can leave again
   * in an older form if the pin has moved down since. `stale`: it speaks of an earlier form, or attempt, as a broker may deliver
   * that again to an older server; the form of now will be answered too.
   */
  afterRefusal(error: UnsupportedVersion): 'fail' | 'stale' | 'again' {
    this.#plan.refused(error);
    const asked = error.details?.['asked'];
    if (typeof asked === 'string' && asked !== this.#version) return 'stale';
    if (this.#plan.ordered) return 'fail';
    try {
      return this.#plan.version().minor < this.#minor ? 'again' : 'fail';
    } catch {
      return 'fail'; // what the server said says more
    }
  }

  /** Reads what comes back, which has the form of the request. */
  decoder<T extends object>(of: Class<T>): Decoder<T> {
    const decode = decoderFor(of, this.#minor);
    return (plain, attachments) => checkedIn(this.#plan.what, () => decode(plain, attachments));
  }

  #take({ minor, text }: Version & { readonly text: string }): void {
    const { what, method, request } = this.#plan;
    this.#minor = minor;
    this.#version = text;
    const attachments: Attachment[] = [];
    this.#content = JSON.stringify(checkedIn(what, () => encoderFor<object>(method.request, minor)(request, attachments)));
    this.#attachments = attachments;
    this.#head = JSON.stringify(this.#plan.head(text)).slice(0, -1);
  }

  #bytes(ms: number): Buffer {
    const { maxBytes, what } = this.#plan;
    return toBytes(`${this.#head},"timeoutMs":${ms},"body":${this.#content}}`, maxBytes, what, this.#attachments);
  }
}
