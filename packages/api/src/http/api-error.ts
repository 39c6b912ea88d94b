/** An answer that refuses. `message` is what the client reads. */
export class ApiError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiError';
    this.status = status;
    this.headers = headers;
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message);
export const forbidden = (message: string): ApiError => new ApiError(403, message);
export const notFound = (message = 'The resource could not be found.'): ApiError => new ApiError(404, message);
export const conflict = (message: string): ApiError => new ApiError(409, message);
export const unavailable = (message: string, retryAfterSeconds: number, cause?: unknown): ApiError =>
  new ApiError(503, message, { 'Retry-After': String(retryAfterSeconds) }, { cause });

/** The name under which a status is told (Compute API guide, "Faults"); any other is a computeFault. */
const names: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
};

export function errorBody({ status, message, headers }: Pick<ApiError, 'status' | 'message' | 'headers'>): object {
  const retryAfter = headers['Retry-After'];
  const overLimit = status === 413 || status === 429;
  return {
    [names[status] ?? 'computeFault']: { code: status, message, ...(overLimit && retryAfter !== undefined ? { retryAfter } : {}) },
  };
}
