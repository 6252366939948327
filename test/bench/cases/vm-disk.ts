import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskAppliance } from '../../support/disk-appliance.ts';
import { requires } from '../../support/requirements.ts';
import { type BenchCase, type BenchRow, costRow, summarize } from '../bench-case.ts';
import {
  bootDiskTwice,
  type DiskBootCost,
  type DiskBoots,
  type DiskSideKind,
} from '../vm-disk/sides.ts';

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
        // As qcow2 it is half as large, which is good for those who copy it.
        const common = {
          appliance: await diskAppliance(),
          format: 'qcow2',
          link,
          directory,
        } as const;
        const side = async (kind: DiskSideKind, more: object = {}) => {
          const boots = await bootDiskTwice({ ...common, kind, ...more });
          log(`${kind} ${JSON.stringify({ ...boots, ...more })}`);
          return boots;
        };
        const copied = await side('copied');
        const direct = await side('direct');
        const verified = await side('manifest', { keepProfiles: profiles });
        const foreseen = await side('manifest', { profiles });

        const rows: BenchRow[] = [];
        const add = (what: string, ours: DiskBootCost, peer: DiskBootCost): void => {
          rows.push(costRow(what, 's', { ours: ours.seconds, peer: peer.seconds }));
          const megabytes = { ours: ours.bytes / 1e6, peer: peer.bytes / 1e6 };
          if (peer.bytes > 0) rows.push(costRow(`${what}: over the link`, 'MB', megabytes));
        };
        const addSide = (what: string, { first, second }: DiskBoots): void => {
          add(`first boot, ${what}, beside copying first`, first, copied.first);
          add(`first boot, ${what}, beside the driver alone`, first, direct.first);
          add(`second boot, ${what}, beside the copy`, second, copied.second);
          add(`second boot, ${what}, beside the driver alone`, second, direct.second);
        };
        if (!short) {
          const compressed = await side('copied-compressed');
          addSide('plain export', await side('plain'));
          add('first boot, manifest, beside copying compressed', verified.first, compressed.first);
          add(
            'first boot, manifest and boot profile, beside copying compressed',
            foreseen.first,
            compressed.first,
          );
        }
        addSide('manifest', verified);
        addSide('manifest and boot profile', foreseen);
        return summarize(name, rows);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** The round trips of the papers. */
export const vmDiskCases: readonly BenchCase[] = [23, 68].map(vmDiskCase);
