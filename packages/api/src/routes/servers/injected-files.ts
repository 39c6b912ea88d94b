import type { ApiConfig } from '../../config.ts';
import { forbidden } from '../../http/api-error.ts';

/** Limits of personality files, up to 2.56. @throws ApiError 403 */
export function checkInjectedFiles(
  files: readonly { readonly path: string; readonly contents: string }[],
  {
    maxInjectedFiles,
    maxInjectedFileBytes,
    maxInjectedPathBytes,
  }: Pick<ApiConfig, 'maxInjectedFiles' | 'maxInjectedFileBytes' | 'maxInjectedPathBytes'>,
): void {
  if (files.length > maxInjectedFiles) throw forbidden('Personality file limit exceeded');
  for (const { path, contents } of files) {
    if (Buffer.byteLength(path) > maxInjectedPathBytes) throw forbidden('Personality file path exceeds maximum length');
    if (Buffer.from(contents, 'base64').length > maxInjectedFileBytes) throw forbidden('Personality file content exceeds maximum length');
  }
}
