import { dump } from './dump.ts';
import { exportList } from './export.ts';
import { mnt } from './mnt.ts';
import { umnt } from './umnt.ts';
import { umntall } from './umntall.ts';

/** The procedures of MOUNT version 3, RFC 1813 appendix I section 5.2, all but NULL. */
export const mountProcedures = { mnt, dump, umnt, umntall, export: exportList };
