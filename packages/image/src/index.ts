export { DIGEST_BYTES, digestOf, verifyBlock } from './digest.ts';
export { ImageError, type ImageErrorCode } from './error.ts';
export { DEFAULT_BLOCK_SIZE, FileType, FORMAT_VERSION } from './format.ts';
export {
  type Image,
  type ImageAttributes,
  type ImageBlock,
  type ImageEntry,
  type ImageRun,
  openImage,
} from './image.ts';
export { isOciLayout } from './oci-layout.ts';
export { lookupPath } from './lookup-path.ts';
export { BOOT_PROFILE_PATH, MANIFEST_PATH, RESERVED_NAME } from './reserved.ts';
export type { Timestamp, Xattr } from './tree.ts';
export {
  buildFileImage,
  buildImage,
  type BuildOptions,
  type BuiltImage,
  buildOciImage,
  buildTarImage,
} from './build-image.ts';
export { type ChangedPart, diffImages, type ImageChange, type ImageDiff } from './diff-images.ts';
export {
  readImage,
  readPrevious,
  saveImage,
  saveImageInTree,
  statCachePath,
} from './image-files.ts';
export { StatCache } from './stat-cache.ts';
