import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskAppliance } from '../../support/disk-appliance.ts';
import { requires } from '../../support/requirements.ts';
import { type BenchCase, summarize } from '../bench-case.ts';
import { diskRows, diskTable, type DiskSides } from '../vm-disk/rows.ts';
import { bootDisk, type DiskBoots, type DiskSideKind } from '../vm-disk/sides.ts';

/** 100 Mbit/s, as the papers' testbed. */
const BYTES_PER_SECOND = 12_500_000;

/** QEMU boots from a qcow2 disk at the other end of a link of this round trip, beside what one does without rowfs. */
function vmDiskCase(roundTripMs: number): BenchCase {
  const name = `vm-disk-${roundTripMs}`;
  return {
    name,
    description: `QEMU boots twice from a disk over ${roundTripMs} ms, beside copying it first and beside its driver without a proxy`,
    async run({ short, log }) {
      const lacking = requires('ganesha', 'rsync', 'qemu', 'nfs-tools', 'disk-boot');
      if (lacking !== false) throw new Error(lacking);
      const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
      try {
        const link = { roundTripMs, bytesPerSecond: BYTES_PER_SECOND };
        const profiles = join(directory, 'profiles');
        const appliance = await diskAppliance();
        // As qcow2 it is half as large, which is good for those who copy it.
        const common = { appliance, format: 'qcow2', link, directory } as const;
        const side = async (kind: DiskSideKind, more: object = {}): Promise<DiskBoots> => {
          const boots = await bootDisk({ ...common, kind, ...more });
          log(`${kind} ${JSON.stringify(boots)}`);
          return boots;
        };
        const sides: DiskSides = {
          copied: await side('copied'),
          direct: await side('direct'),
          verified: await side('manifest', { keepProfiles: profiles }),
          foreseen: await side('manifest', { profiles }),
          ...(short
            ? {}
            : { compressed: await side('copied-compressed'), plain: await side('plain') }),
        };
        return summarize(name, diskRows(sides), [diskTable(sides)]);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** The round trips of the papers. */
export const vmDiskCases: readonly BenchCase[] = [23, 68].map(vmDiskCase);
