import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootRows, type MeasuredBoots } from '../boot/boot-rows.ts';
import { bootTables } from '../boot/boot-tables.ts';
import { imageDigest } from '../boot/image-digest.ts';
import { richAppliance, sizeOfTree } from '../boot/rich-appliance.ts';
import { bootTwice, type SideKind, type SideOptions, type TwoBoots } from '../boot/sides.ts';
import { type BenchCase, summarize } from '../bench-case.ts';

/** 100 Mbit/s, as the papers' testbed. */
const BYTES_PER_SECOND = 12_500_000;
/** No link at all, and those of the ROW-FS paper's table 1. */
const ROUND_TRIPS_MS = [0, 23, 68];
/** Of what has a target. */
const ROUNDS = 3;
/** The longest link. */
const FAR_MS = 68;

/**
 * A machine's work between its two boots, as the paper's figure 4 has it: programs are compiled, which reads the compiler
 * and its headers from the image, and writes.
 */
const COMPUTE = `set -e
mkdir -p /var/tmp/build && cd /var/tmp/build
for n in 1 2 3 4 5 6; do
  { for h in stdio stdlib string math time unistd pthread signal sys/socket netinet/in; do echo "#include <$h.h>"; done
    seq -f 'double f%g(double x) { for (int i = 0; i < 100; i++) x = sin(x) * cos(x + i); return x; }' 1 100
    echo 'int main(void) { return f1(1) > 2; }'; } >part$n.c
  gcc -O2 -o part$n part$n.c -lm && ./part$n
done
sync`;

/** A machine without a disk, over the links of the paper, beside the same with a native NFS root. */
export const boot: BenchCase = {
  name: 'boot',
  description: `a diskless Debian of 900 MB boots twice over ${ROUND_TRIPS_MS.join(', ')} ms, beside a native NFS root`,
  async run({ short, log }) {
    const directory = await mkdtemp(join(tmpdir(), 'rowfs-bench-'));
    try {
      const tree = await richAppliance();
      const digest = await imageDigest(tree);
      const profiles = join(directory, 'profiles');
      const side = async (
        kind: SideKind,
        roundTripMs: number,
        more: Partial<SideOptions> = {},
      ): Promise<TwoBoots> => {
        // Without a delay the link is local, and as fast as it is.
        const link = roundTripMs === 0 ? {} : { roundTripMs, bytesPerSecond: BYTES_PER_SECOND };
        const boots = await bootTwice({ tree, digest, directory, kind, link, ...more });
        log(JSON.stringify({ kind, roundTripMs, foreseen: more.profiles !== undefined, ...boots }));
        return boots;
      };
      // What is recorded once is good over any link.
      await side('manifest', 0, { keepProfiles: profiles });
      const measured: MeasuredBoots[] = [];
      for (const roundTripMs of short ? [0, FAR_MS] : ROUND_TRIPS_MS) {
        measured.push({
          roundTripMs,
          native: await side('native', roundTripMs),
          plain: await side('plain', roundTripMs),
          manifest: await side('manifest', roundTripMs),
          foreseen: [
            await side('manifest', roundTripMs, {
              profiles,
              ...(roundTripMs === FAR_MS ? { compute: COMPUTE } : {}),
            }),
          ],
        });
      }
      // Whose ratio is judged, taken in turn.
      const judged = measured.filter(({ roundTripMs }) => [0, FAR_MS].includes(roundTripMs));
      for (let round = 1; round < (short ? 1 : ROUNDS); round += 1)
        for (const { roundTripMs, foreseen } of judged)
          foreseen.push(await side('manifest', roundTripMs, { profiles }));
      const imageBytes = await sizeOfTree(tree);
      return summarize('boot', bootRows(measured), bootTables(measured, imageBytes));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};
