/** Program and version numbers: RFC 1813 section 3.1, and appendix I section 5.1.1. */
export const NFS3_PROGRAM = { program: 100_003, version: 3 } as const;
export const MOUNT3_PROGRAM = { program: 100_005, version: 3 } as const;
