/**
 * What stands in an exported tree for rowfs itself: never part of an image, hidden from clients.
 * `.rowfs` in the root of the tree; elsewhere it is a name like any other.
 */
export const RESERVED_NAME = '.rowfs';
/** Where an export's manifest is, from the root of the tree. */
export const MANIFEST_PATH = `${RESERVED_NAME}/manifest`;
/** Where its boot profile is, if it has one. */
export const BOOT_PROFILE_PATH = `${RESERVED_NAME}/boot-profile`;
