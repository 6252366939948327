import { readFile } from 'node:fs/promises';

/** What a process has of the machine's memory, in bytes (proc(5), /proc/pid/status). */
export interface ResidentMemory {
  /** VmRSS: all of it. */
  readonly now: number;
  /** VmHWM: the most of it at any time. */
  readonly most: number;
  /** RssAnon: heap and stacks, which nothing but the process's end or the process itself gives back. */
  readonly anonymous: number;
  /** RssFile: pages of mapped files, which the kernel takes back when it needs them. */
  readonly mapped: number;
}

export async function residentMemory(pid: number): Promise<ResidentMemory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string): number =>
    1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return {
    now: bytes('VmRSS'),
    most: bytes('VmHWM'),
    anonymous: bytes('RssAnon'),
    mapped: bytes('RssFile'),
  };
}
