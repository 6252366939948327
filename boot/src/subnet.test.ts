import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BootError } from './boot-error.ts';
import { broadcastOf, checkRange, defaultRange, networkOf, type Subnet } from './subnet.ts';

const numberOf = (address: string): number =>
  address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);

const textOf = (number: number): string =>
  [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');

/** Any address that is not its network's own, nor its broadcast. */
const subnets = fc
  .record({
    bits: fc.integer({ min: 4, max: 29 }),
    address: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  })
  .map(({ bits, address }) => {
    const size = 2 ** (32 - bits);
    const within = 1 + (address % (size - 2));
    const network = Math.floor(address / size) * size;
    return { address: textOf(network + within), netmask: textOf(2 ** 32 - size) };
  });

describe('a subnet', () => {
  it('has a network and a broadcast address', () => {
    const subnet: Subnet = { address: '192.168.7.130', netmask: '255.255.255.192' };
    assert.equal(networkOf(subnet), '192.168.7.128');
    assert.equal(broadcastOf(subnet), '192.168.7.191');
  });

  it('gives away a half in which this machine is not', () => {
    const netmask = '255.255.255.0';
    assert.deepEqual(defaultRange({ address: '10.77.0.1', netmask }), {
      first: '10.77.0.128',
      last: '10.77.0.254',
    });
    assert.deepEqual(defaultRange({ address: '10.77.0.200', netmask }), {
      first: '10.77.0.1',
      last: '10.77.0.127',
    });
  });

  it('never gives away its own address, the network or the broadcast address', () => {
    fc.assert(
      fc.property(subnets, (subnet) => {
        const { first, last } = defaultRange(subnet);
        assert.ok(numberOf(first) < numberOf(last));
        assert.ok(numberOf(first) > numberOf(networkOf(subnet)));
        assert.ok(numberOf(last) < numberOf(broadcastOf(subnet)));
        const own = numberOf(subnet.address);
        assert.ok(own < numberOf(first) || own > numberOf(last));
      }),
    );
  });

  it('says so when it has no room', () => {
    assert.throws(
      () => defaultRange({ address: '10.0.0.1', netmask: '255.255.255.254' }),
      (error) => error instanceof BootError && error.code === 'BAD_SUBNET',
    );
  });

  it('has ranges, first address first', () => {
    const subnet: Subnet = { address: '192.168.7.130', netmask: '255.255.255.192' };
    checkRange({ first: '192.168.7.129', last: '192.168.7.190' }, subnet);
    checkRange({ first: '192.168.7.150', last: '192.168.7.150' }, subnet);
    for (const [first, last] of [
      ['192.168.7.128', '192.168.7.190'],
      ['192.168.7.129', '192.168.7.191'],
      ['192.168.7.160', '192.168.7.150'],
      ['10.0.0.1', '10.0.0.9'],
    ] as const)
      assert.throws(() => checkRange({ first, last }, subnet), { code: 'BAD_RANGE' });
  });
});
