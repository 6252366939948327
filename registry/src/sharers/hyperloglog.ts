/** 2^14 registers: a standard error of 0.8 % (1.04 / sqrt(2^14)), in 16 KiB. */
const INDEX_BITS = 14;
export const HLL_REGISTERS = 1 << INDEX_BITS;
/** Bits of a hash that are left for the rank. */
const RANK_BITS = 32 - INDEX_BITS;
const ALPHA = 1 / (2 * Math.LN2);

/**
 * A sketch of a set of 32-bit hashes, from which the number of distinct ones is estimated, and which
 * merges with others to the sketch of the union.
 *
 * Registers: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007), figure 3. Estimate: Ertl, "New
 * cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6, which needs neither
 * the bias tables of Heule, Nunkesser, Hall (2013) nor a switch of methods for small sets.
 */
export class HyperLogLog {
  readonly registers: Uint8Array;

  /** @param registers of another sketch; a byte above the highest rank counts as that one. */
  constructor(registers: Uint8Array = new Uint8Array(HLL_REGISTERS)) {
    this.registers = registers;
  }

  /** @param hash 32 uniform bits. */
  add(hash: number): void {
    const index = hash >>> RANK_BITS;
    // The position of the first one among the remaining bits, from 1; one more when there is none.
    const rank = Math.min(Math.clz32(hash << INDEX_BITS), RANK_BITS) + 1;
    if ((this.registers[index] ?? 0) < rank) this.registers[index] = rank;
  }

  /** How many distinct hashes were added, about. */
  estimate(): number {
    const counts = new Float64Array(RANK_BITS + 2);
    for (const rank of this.registers) {
      const at = Math.min(rank, RANK_BITS + 1);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    const m = HLL_REGISTERS;
    let z = m * tau(1 - (counts[RANK_BITS + 1] ?? 0) / m);
    for (let rank = RANK_BITS; rank >= 1; rank -= 1) z = 0.5 * (z + (counts[rank] ?? 0));
    z += m * sigma((counts[0] ?? 0) / m);
    return (ALPHA * m * m) / z;
  }
}

/** Ertl 2017, equation 13: the part of registers that are still empty. */
function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let sum = x;
  for (let power = x, previous = NaN; sum !== previous;) {
    power *= power;
    previous = sum;
    sum += power * y;
    y += y;
  }
  return sum;
}

/** Ertl 2017, equation 17: the part of registers that are full. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let sum = 1 - x;
  for (let root = x, previous = NaN; sum !== previous;) {
    root = Math.sqrt(root);
    previous = sum;
    y *= 0.5;
    sum -= (1 - root) ** 2 * y;
  }
  return sum / 3;
}
