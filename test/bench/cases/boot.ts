import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageDigest } from '../boot/image-digest.ts';
import { bootTwice, type BootCost, type SideKind } from '../boot/sides.ts';
import { debianAppliance } from '../../support/debian-appliance.ts';
import { type BenchCase, type BenchRow, costRow, summarize } from '../bench-case.ts';

/** 100 Mbit/s, as the papers' testbed. */
const BYTES_PER_SECOND = 12_500_000;

/** A machine without a disk, over a link of this round trip, beside the same with a native NFS root. */
function bootCase(roundTripMs: number): BenchCase {
  const name = `boot-${roundTripMs}`;
  return {
    name,
    description: `a diskless Debian boots twice over ${roundTripMs} ms, beside a native NFS root over the same link`,
    async run({ short, log }) {
      const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
      try {
        const tree = await debianAppliance();
        const digest = await imageDigest(tree);
        const far = { roundTripMs, bytesPerSecond: BYTES_PER_SECOND };
        const profiles = join(directory, 'profiles');
        const common = { tree, digest, directory };
        const side = async (kind: SideKind, link: object, more: object = {}) => {
          const boots = await bootTwice({ ...common, kind, link, ...more });
          log(`${kind} ${JSON.stringify({ link, ...boots })}`);
          return boots;
        };
        const native = await side('native', far);
        const rows: BenchRow[] = [];
        const add = (what: string, ours: BootCost, peer: BootCost): void => {
          rows.push(costRow(what, 's', { ours: ours.seconds, peer: peer.seconds }));
          const calls = { ours: ours.callsOverLink, peer: peer.callsOverLink };
          rows.push(costRow(`${what}: calls over the link`, 'calls', calls));
        };
        if (!short) {
          const plain = await side('plain', far);
          add('first boot, plain export', plain.first, native.first);
          add('second boot, plain export', plain.second, native.second);
        }
        const verified = await side('manifest', far, { keepProfiles: profiles });
        add('first boot, manifest', verified.first, native.first);
        add('second boot, manifest', verified.second, native.second);
        const foreseen = await side('manifest', far, { profiles });
        add('first boot, manifest and boot profile', foreseen.first, native.first);
        add('second boot, manifest and boot profile', foreseen.second, native.second);
        const near = await side('manifest', {}, { profiles });
        const beside = (
          what: string,
          { seconds: ours }: BootCost,
          { seconds: peer }: BootCost,
          ceiling: number,
        ): void => void rows.push(costRow(what, 's', { ours, peer }, ceiling));
        beside('first boot with a profile, beside a local link', foreseen.first, near.first, 1.25);
        beside('second boot, beside a local link', foreseen.second, near.second, 1.05);
        for (const [procedure, peer] of Object.entries(native.first.calls)) {
          const ours = foreseen.first.calls[procedure] ?? 0;
          if (peer >= 20)
            rows.push(
              costRow(`${procedure.toUpperCase()} of the machine`, 'calls', { ours, peer }),
            );
        }
        return summarize(name, rows);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** The round trips of the papers. */
export const bootCases: readonly BenchCase[] = [23, 68].map(bootCase);
