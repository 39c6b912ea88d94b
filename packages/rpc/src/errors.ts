/** Facts about an error, for programs: plain values that JSON can carry. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** What an error may carry beside its details. */
export interface RpcErrorOptions extends ErrorOptions {
  readonly remoteStack?: string | undefined;
}

/** Everything that a call may reject with. `code` is stable and made for programs, `message` for people. */
export class RpcError extends Error {
  readonly code: string;
  readonly details: ErrorDetails | undefined;
  /** Where the server's handler threw it, if that server sends stacks. For people: never in an answer of one's own. */
  declare readonly remoteStack: string | undefined;

  constructor(code: string, message: string, details?: ErrorDetails, options?: RpcErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
    if (options?.remoteStack !== undefined) this.remoteStack = options.remoteStack;
  }
}

/** An error of the application; arrives at the caller with its code, message and details. */
export class ServiceError extends RpcError {}

type Rest = [message: string, details?: ErrorDetails, options?: ErrorOptions];

/** Nobody took the message: no server listens, or there was no broker in time. It had no effect. */
export class Unreachable extends RpcError {
  constructor(...rest: Rest) {
    super('Unreachable', ...rest);
  }
}

/** No answer came within the time given. The far side may or may not have acted. */
export class DeadlineExceeded extends RpcError {
  constructor(...rest: Rest) {
    super('DeadlineExceeded', ...rest);
  }
}

/** The message is of a version that its receiver (or the pin) does not know. It had no effect. Details: `asked`, `supported`. */
export class UnsupportedVersion extends RpcError {
  constructor(...rest: Rest) {
    super('UnsupportedVersion', ...rest);
  }
}

/** The receiver has no such method. It had no effect. */
export class NoSuchMethod extends RpcError {
  constructor(...rest: Rest) {
    super('NoSuchMethod', ...rest);
  }
}

/** A limit is reached, here or at the server: try again later. It had no effect. */
export class Busy extends RpcError {
  constructor(...rest: Rest) {
    super('Busy', ...rest);
  }
}

/** The connection broke while the answer (or the broker's confirmation) was awaited: the outcome is unknown. */
export class ConnectionLost extends RpcError {
  constructor(...rest: Rest) {
    super('ConnectionLost', ...rest);
  }
}

/** The reason of a handler's signal when its caller gave the call up. */
export class Cancelled extends RpcError {
  constructor(...rest: Rest) {
    super('Cancelled', ...rest);
  }
}

/** A message that is not of the shape its contract states. Details: `path`, `expected`. */
export class MalformedMessage extends RpcError {
  constructor(...rest: Rest) {
    super('MalformedMessage', ...rest);
  }
}

/** The server (or the broker) does not let this caller do that. It had no effect. */
export class NotAuthorized extends RpcError {
  constructor(...rest: Rest) {
    super('NotAuthorized', ...rest);
  }
}

/** The message is above the transport's limit. Details: `bytes`, `limit`. */
export class MessageTooLarge extends RpcError {
  constructor(...rest: Rest) {
    super('MessageTooLarge', ...rest);
  }
}

/** The handler threw something that is no RpcError. Its class name and message are kept, its stack only if the server sends stacks. */
export class RemoteError extends RpcError {
  readonly remoteName: string;

  constructor(remoteName: string, message: string, options?: RpcErrorOptions) {
    super('RemoteError', message, { remoteName }, options);
    this.remoteName = remoteName;
  }
}
