// What goes wrong while connecting comes as codes of AMQP, of TLS and of the system. Here they become our errors, with
// what was expected; a refusal is told apart from an absence, since only the latter is likely to pass.
import { ConnectionLost, NotAuthorized, RpcError, Unreachable } from '../errors.ts';

/** The broker's close codes as our errors, and the refusals of TLS. */
export function brokerError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  const code = codeOf(error);
  if (code === 403) return new NotAuthorized(message, undefined, options);
  if (code === 404) return new Unreachable(message, undefined, options);
  if (typeof code === 'string') {
    if (UNTRUSTED.test(code))
      return new NotAuthorized(
        `the broker's certificate is not accepted (${code}): ${message}; see tls.ca and tls.serverName`,
        undefined,
        options,
      );
    if (ALERT.test(code))
      return new NotAuthorized(`the broker refuses our certificate (${code}); see tls.cert and tls.key`, undefined, options);
    if (UNUSABLE.test(code))
      return new NotAuthorized(`tls.ca, cert, key and passphrase cannot be used (${code}): ${message}`, undefined, options);
    if (code === 'ERR_SSL_WRONG_VERSION_NUMBER')
      return new Unreachable('the broker speaks no TLS at this address: expected its TLS port (5671)', undefined, options);
  }
  if (message.startsWith(NOT_OPENED))
    return new Unreachable(
      'the broker does not open the virtual host: it is not there or not for this account, or a limit of connections is reached; its log says which',
      undefined,
      options,
    );
  if (message.startsWith('SASL mechanism EXTERNAL is not provided'))
    return new NotAuthorized(
      'the broker takes no account from a certificate: expected its plugin rabbitmq_auth_mechanism_ssl',
      undefined,
      options,
    );
  return new ConnectionLost(message, undefined, options);
}

/** How amqplib says that the broker ended the handshake behind the login; why it did, it keeps to itself. */
const NOT_OPENED = 'Expected ConnectionOpenOk';
/** Of OpenSSL's verification, by way of Node. */
const UNTRUSTED =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECODE|DECRYPT)|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE))/;
/** The far side's complaint about our certificate, or its absence. */
const ALERT = /^ERR_SSL_.*ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE|ACCESS_DENIED)/;
/** What was given is no PEM, no key of this certificate, or is encrypted otherwise. */
const UNUSABLE = /^(ERR_OSSL_|ERR_CRYPTO_|ERR_INVALID_ARG)/;

/** A refusal during the handshake has its code in the text alone. */
export function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error) return error.code;
  const code = /^Handshake terminated by server: (\d+)/.exec(error.message)?.[1];
  return code === undefined ? undefined : Number(code);
}
