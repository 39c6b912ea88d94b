import { integer, section, type SectionValues } from '@kilonova/runtime';
import { databaseOptions, httpOptions } from '../http/config.ts';

export const imageSection = section('image', {
  ...httpOptions(9292, 3_600_000),
  ...databaseOptions(),
  maxImageBytes: integer(1024 ** 4, { min: 1, help: 'Largest image; an upload beyond it is refused with 413.' }),
  projectBytes: integer(0, { min: 0, help: 'Bytes of all images of one project; 0 is no limit.' }),
  maxProperties: integer(128, { min: 0, help: 'Further properties of one image.' }),
  maxTags: integer(128, { min: 0, help: 'Tags of one image.' }),
  maxMembers: integer(128, { min: 0, help: 'Projects that one image is shared with.' }),
  maxPatchOperations: integer(256, { min: 1, help: 'Operations in one JSON patch.' }),
  page: integer(25, { min: 1, help: 'Images of a list when the client names no limit.' }),
  maxPage: integer(1_000, { min: 1, help: 'Images of a list at most.' }),
  maxFilters: integer(64, { min: 1, help: 'Filters of one list.' }),
  tokenCacheMs: integer(30_000, { min: 0, max: 60_000, help: 'How long a checked token is not checked again.' }),
  tokenCacheSize: integer(1_000, { min: 1, help: 'Checked tokens that are remembered.' }),
  identityTimeoutMs: integer(5_000, { min: 100, help: 'Wait for the identity service; then the answer is 503.' }),
  maxIdentityAnswerBytes: integer(1_048_576, { min: 1_024, help: 'A longer answer of the identity service is refused.' }),
});

export type ImageConfig = SectionValues<typeof imageSection>;
