import { address, flag, integer, section, text, type SectionValues } from '@kilonova/runtime';

const HTTP = ['http', 'https'];

/** How the Compute API listens and what it takes. */
export const apiSection = section('api', {
  host: text('127.0.0.1', { help: 'Address that the Compute API listens on.' }),
  port: integer(8774, { min: 0, max: 65_535, help: 'Port of the Compute API; 0 takes a free one.' }),
  workers: integer(1, {
    min: 1,
    max: 64,
    help: 'Processes that one "kilonova api" shares its address and its work with. Limits of connections, requests and memory are those of each.',
  }),
  maxBodyBytes: integer(114_688, { min: 1_024, max: 16_777_216, help: 'Largest request body; a larger one is answered with 413.' }),
  maxBodyDepth: integer(32, {
    min: 8,
    max: 1_000,
    help: 'Arrays and objects in each other that a request body may have; more are answered with 400.',
  }),
  maxHeaderBytes: integer(32_768, {
    min: 4_096,
    max: 1_048_576,
    help: 'Largest request line and headers together; larger ones are answered with 431.',
  }),
  maxUrlBytes: integer(8_192, { min: 512, max: 65_536, help: 'Longest request target; a longer one is answered with 414.' }),
  headersTimeoutMs: integer(10_000, { min: 100, help: 'How long a client may take to send the headers of a request.' }),
  bodyTimeoutMs: integer(30_000, { min: 100, help: 'How long a client may take to send a whole request.' }),
  keepAliveMs: integer(65_000, { min: 0, help: 'How long an idle connection is kept.' }),
  maxConnections: integer(4_096, { min: 1, help: 'Open connections; more are closed at once.' }),
  maxRequests: integer(512, { min: 1, help: 'Requests in work at the same time; more are answered with 503.' }),
  requestTimeoutMs: integer(30_000, { min: 100, help: 'How long a request may take in all; then it is answered with 503.' }),
  pinAskMs: integer(2_000, {
    min: 20,
    help: 'How often the conductors are asked for their oldest version, as long as that is older than the api.',
  }),
  rpcTimeoutMs: integer(10_000, { min: 100, help: 'How long one question to the conductor may take.' }),
  stopGraceMs: integer(5_000, { min: 0, help: 'How long requests in work may take to finish when the service stops.' }),
  retryAfterSeconds: integer(2, { min: 1, help: 'Value of Retry-After in answers with 503.' }),
  maxLimit: integer(1_000, { min: 1, max: 10_000, help: 'Largest page of a list; more than conductor.page_max would end lists early.' }),
  unpagedLimit: integer(10_000, { min: 1, help: 'Most rows of a list that has no pages; more are answered with 503.' }),
  keptServersMb: integer(64, {
    min: 0,
    max: 65_536,
    help: 'Memory for servers as detailed lists show them, so that those that did not change are neither read nor written again; 0 keeps none.',
  }),
  computeLinkPrefix: text('', {
    help: 'Front of the links in answers, like https://compute.example.com; empty takes what the client asked for.',
  }),
  imageLinkPrefix: text('', { help: 'Front of the links to images; empty takes what the client asked for.' }),
  trustForwardedHeaders: flag(false, {
    help: 'Take X-Forwarded-Proto and X-Forwarded-Host for links; only behind a proxy that sets them.',
  }),
  enableInstancePassword: flag(true, { help: 'Show adminPass in the answer to a server create.' }),
  passwordLength: integer(12, { min: 8, max: 255, help: 'Length of generated server passwords.' }),
  instanceNamePrefix: text('instance-', { help: 'Front of OS-EXT-SRV-ATTR:instance_name; eight hexadecimal digits follow.' }),
  defaultScheduleZone: text('', { help: 'Zone of servers that name none; empty takes any host.' }),
  defaultZone: text('nova', { help: 'The zone of hosts that are in no zone; it cannot be named for an aggregate.' }),
  internalServiceZone: text('internal', { help: 'The zone that internal services are shown in; hidden from the zone list.' }),
  maxInjectedFiles: integer(5, { min: 0, help: 'Most personality files of one server (up to 2.56).' }),
  maxInjectedFileBytes: integer(10_240, { min: 0, help: 'Largest personality file (up to 2.56).' }),
  maxInjectedPathBytes: integer(255, { min: 1, help: 'Longest path of a personality file (up to 2.56).' }),
});
export type ApiConfig = SectionValues<typeof apiSection>;

/** How tokens are checked: the identity service and the account that may ask it. */
export const authSection = section('auth', {
  url: address(HTTP, 'http://127.0.0.1:5000/v3', {
    help: 'Identity service, version 3, as this service reaches it; with or without /v3.',
  }),
  publicUrl: address(HTTP, '', { help: 'Identity service as clients reach it, for WWW-Authenticate; empty takes auth.url.' }),
  username: text('nova', { help: 'Account that checks tokens.' }),
  password: text('', { secret: true, help: 'Password of that account.' }),
  projectName: text('service', { help: 'Project of that account.' }),
  userDomainName: text('Default', { help: 'Domain of that account.' }),
  projectDomainName: text('Default', { help: 'Domain of that project.' }),
  timeoutMs: integer(5_000, { min: 100, help: 'How long one question to the identity service may take.' }),
  cacheMs: integer(60_000, { min: 0, help: 'How long a token that was found valid is believed; never longer than it lives.' }),
  cacheSize: integer(10_000, { min: 1, help: 'Tokens kept in the cache.' }),
  maxAnswerBytes: integer(1_048_576, { min: 16_384, help: 'Largest answer taken from the identity service.' }),
  maxChecks: integer(64, { min: 1, help: 'Questions to the identity service at the same time; more tokens are answered with 503.' }),
});
export type AuthConfig = SectionValues<typeof authSection>;

/** Where images are looked up. */
export const imageClientSection = section('glance', {
  url: address(HTTP, '', { help: 'Image service; empty takes the one in the service catalog of the token.' }),
  region: text('', { help: 'Region of the image service in the catalog; empty takes the first.' }),
  timeoutMs: integer(5_000, { min: 100, help: 'How long one question to the image service may take.' }),
  cacheMs: integer(5_000, { min: 0, help: 'How long an image that was found is believed.' }),
  cacheSize: integer(1_000, { min: 1, help: 'Images kept in the cache.' }),
  maxAnswerBytes: integer(1_048_576, { min: 16_384, help: 'Largest answer taken from the image service.' }),
  maxChecks: integer(64, { min: 1, help: 'Questions to the image service at the same time; more are answered with 503.' }),
});
export type ImageClientConfig = SectionValues<typeof imageClientSection>;
