import { readFileSync } from 'node:fs';

/**
 * When a living process started, in clock ticks (proc(5), field 22), and since which start of the machine: tells it from a
 * later one of its number. Where there is no /proc, '' for every living process; undefined for one that is gone.
 */
export function processStart(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name, in parentheses, may contain anything; the start time is the 20th after it.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    // A machine that starts the same way each time gives the same number at the same tick.
    return `${ticks} since ${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}`;
  } catch {
    return '';
  }
}
