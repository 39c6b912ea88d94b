import { badRequest } from '../../http/api-error.ts';

/** What a create request says about where the server boots from. */
export interface BootRequest {
  readonly imageRef?: string;
  readonly block_device_mapping?: readonly object[];
  readonly block_device_mapping_v2?: readonly Device[];
}

interface Device {
  readonly uuid?: string | null;
  readonly source_type?: string;
  readonly destination_type?: string;
  readonly boot_index?: string | number | null;
  readonly volume_size?: unknown;
}

const NO_VOLUMES = 'Block Device Mapping is Invalid: only an image on a local disk is supported, as there is no volume service.';

/**
 * The image to boot from. A mapping may only say the same as imageRef does: this image, on the local root disk.
 * @throws ApiError 400
 */
export function bootImage({ imageRef = '', block_device_mapping: old, block_device_mapping_v2: mapping }: BootRequest): string {
  if (old !== undefined && old.length > 0) throw badRequest(NO_VOLUMES);
  if (mapping === undefined || mapping.length === 0) {
    if (imageRef === '') throw badRequest('Invalid imageRef provided.');
    return imageRef;
  }
  const [root, ...others] = mapping;
  if (root === undefined || others.length > 0) throw badRequest(NO_VOLUMES);
  const { source_type: source, destination_type: destination = 'local', boot_index: index, uuid } = root;
  if (source !== 'image' || destination !== 'local') throw badRequest(NO_VOLUMES);
  if (Number(index ?? 0) !== 0)
    throw badRequest(
      'Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.',
    );
  if (!uuid) throw badRequest('Block Device Mapping is Invalid: Missing device UUID.');
  if (imageRef !== '' && imageRef !== uuid)
    throw badRequest('Block Device Mapping is Invalid: the root disk and imageRef name different images.');
  return uuid;
}
