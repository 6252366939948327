import { runSteps } from '../steps.ts';
import type { Workload } from '../workload.ts';

export const build: Workload = {
  name: 'build',
  description: 'a C project unpacked, built by make -j, run, built again, installed and cleaned',
  prepare: async () => undefined,
  run: (tree) =>
    runSteps(tree, {
      directory: '/srv/workloads/build',
      steps: [
        ['unpack', 'tar -xzf ../source/*.orig.tar.gz --strip-components=1'],
        ['make -j', 'make -j4 linux'],
        ['the program runs', `test "$(src/lua -e 'print(2^10 // 1)')" = 1024.0`],
        [
          'its compiler compiles',
          'echo "print(6 * 7)" | src/luac -o compiled - && test "$(src/lua compiled)" = 42',
        ],
        ['nothing is built twice', 'make -j4 linux >again 2>&1 && ! grep -w gcc again'],
        [
          'what changed is built again',
          'touch src/lstrlib.c && make linux >again 2>&1 && test "$(grep -c "gcc.*-c" again)" = 1',
        ],
        ['install', 'make install INSTALL_TOP="$PWD/installed" && installed/bin/lua -v'],
        ['make clean', 'make clean && test -z "$(find src -name "*.o")"'],
      ],
    }),
};
