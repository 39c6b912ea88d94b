// Errors as oslo.messaging carries them: a JSON text with the Python class, its module and the arguments to make it
// again (serialize_remote_exception). A Python client makes only classes of modules it allows; of all others it raises
// RemoteError with `exc_type`.
import { parseObject } from '../codec/codec.ts';
import { MalformedMessage, NoSuchMethod, RemoteError, RpcError, ServiceError, UnsupportedVersion } from '../errors.ts';

/** A Python exception class by its module and name. */
export interface PythonClass {
  /** `builtins`, `nova.exception` */
  readonly module: string;
  readonly class: string;
  /** Whether the class takes the error's details as keyword arguments. Default false. */
  readonly details?: boolean;
}

/** Codes of ServiceErrors with the Python classes they stand for; read in both directions. */
export type PythonClasses = Readonly<Record<string, PythonClass>>;

const DISPATCHER = 'oslo_messaging.rpc.dispatcher';
/** Module of errors that have no Python class: no client can import it, so all raise RemoteError. */
const FOREIGN = 'kilonova';

/** What a handler threw, or why it was not asked. The stack never travels. */
export function packFailure(thrown: unknown, classes: PythonClasses): string {
  const error = thrown instanceof Error ? thrown : new Error('something that is no error was thrown');
  const known = classOf(error, classes);
  const details = known.details === true && error instanceof RpcError ? error.details : undefined;
  const failure = { class: known.class, module: known.module, message: error.message, tb: [], args: [error.message], kwargs: {} };
  try {
    return JSON.stringify({ ...failure, ...(details === undefined ? {} : { kwargs: details }) });
  } catch {
    return JSON.stringify(failure); // details that JSON cannot carry must not hide the error itself
  }
}

function classOf(error: Error, classes: PythonClasses): PythonClass {
  if (error instanceof UnsupportedVersion || error instanceof NoSuchMethod) return { module: DISPATCHER, class: error.code };
  // Python's own answer to arguments that do not fit.
  if (error instanceof MalformedMessage) return { module: 'builtins', class: 'TypeError' };
  if (error instanceof RemoteError) return { module: FOREIGN, class: error.remoteName };
  if (!(error instanceof RpcError)) return { module: FOREIGN, class: error.name };
  return (Object.hasOwn(classes, error.code) ? classes[error.code] : undefined) ?? { module: FOREIGN, class: error.code };
}

/** What a call rejects with. */
export function readFailure(text: string, classes: PythonClasses): RpcError {
  let failure: Record<string, unknown>;
  try {
    failure = parseObject(text);
  } catch (error) {
    return error as MalformedMessage;
  }
  const { class: name, module, kwargs } = failure;
  const message = typeof failure['message'] === 'string' ? failure['message'] : '';
  if (module === DISPATCHER && name === 'UnsupportedVersion') return new UnsupportedVersion(message);
  if (module === DISPATCHER && name === 'NoSuchMethod') return new NoSuchMethod(message);
  const known = Object.entries(classes).find(([, python]) => python.class === name && python.module === module);
  if (known === undefined) return new RemoteError(typeof name === 'string' ? name : 'Exception', message);
  const details = typeof kwargs === 'object' && kwargs !== null && Object.keys(kwargs).length > 0 ? { ...kwargs } : undefined;
  return new ServiceError(known[0], message, details);
}
