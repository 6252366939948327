/** A compile in a guest with gcc: units of generated C, each with all headers of a directory. */
import type { Guest } from './guest.ts';

/** Of /usr/include: those whose headers go together. */
const HEADERS = [
  ...['net', 'netinet', 'sound', 'rdma', 'mtd'],
  ...['linux/netfilter', 'linux/can', 'linux/tc_act', 'linux/dvb', 'linux/usb'],
];
const FUNCTIONS = 40;
const SEED = 12345;

const DIRECTORY = '/root/compile';

const script = `
mkdir -p ${DIRECTORY} && cd ${DIRECTORY} || exit
number=0 declared= called=
for headers in ${HEADERS.join(' ')}; do
  number=$((number + 1))
  {
    echo '#include <stdint.h>'
    echo '#include <stdio.h>'
    for header in /usr/include/$headers/*.h; do echo "#include <$headers/\${header##*/}>"; done
    function=0 calls=
    while [ $function -lt ${FUNCTIONS} ]; do
      factor=$((2 * (number * ${FUNCTIONS} + function) + 1))
      echo "static uint32_t f$function(uint32_t x) {"
      echo "  for (uint32_t i = x % 7 + 1; i > 0; i--) x = x * $factor + (x >> 5) + i;"
      echo '  return x;'
      echo '}'
      calls="$calls x = f$function(x);"
      function=$((function + 1))
    done
    echo "uint32_t unit$number(uint32_t x) {$calls return x; }"
  } >unit$number.c
  gcc -O2 -c unit$number.c || exit
  echo "compiled unit $number" >/dev/ttyS0
  declared="$declared uint32_t unit$number(uint32_t);"
  called="$called x = unit$number(x);"
done
{
  echo '#include <stdint.h>'
  echo '#include <stdio.h>'
  echo "$declared"
  echo "int main(void) { uint32_t x = ${SEED}; $called printf(\\"%u\\", x); }"
} >main.c
gcc -O2 -o program main.c unit*.o && ./program
`;

/** What the compiled program prints. */
export const PROGRAM_PRINTS = String(expected());
/** Runs it again. */
export const RUN_PROGRAM = `${DIRECTORY}/program`;
export const UNITS = HEADERS.length;

/** @returns what the program printed when it was compiled, linked and run */
export async function compileIn(guest: Guest): Promise<string> {
  return (await guest.run(script, { timeoutMs: 400_000 })).stdout;
}

/** Resolves when so many units are compiled. */
export async function untilCompiled(guest: Guest, units: number): Promise<void> {
  await guest.writes(new RegExp(`compiled unit ${units}\\b`), 300_000);
}

function expected(): number {
  let x = SEED;
  for (let unit = 1; unit <= HEADERS.length; unit += 1)
    for (let number = 0; number < FUNCTIONS; number += 1) {
      const factor = 2 * (unit * FUNCTIONS + number) + 1;
      for (let i = (x % 7) + 1; i > 0; i -= 1) x = (Math.imul(x, factor) + (x >>> 5) + i) >>> 0;
    }
  return x;
}
