import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dnsmasqConfig, type DnsmasqConfigOptions, LOADERS } from './dnsmasq-config.ts';

const server: DnsmasqConfigOptions = {
  interface: 'eth1',
  dhcp: {
    kind: 'server',
    range: { first: '10.0.0.128', last: '10.0.0.254' },
    netmask: '255.255.255.0',
  },
  routerAdvertisements: false,
  router: undefined,
  nameservers: [],
  leaseTime: '12h',
  tftpRoot: '/state/tftp',
  loaders: LOADERS,
  leaseFile: '/state/leases',
};
const proxy: DnsmasqConfigOptions = { ...server, dhcp: { kind: 'proxy', network: '10.0.0.0' } };
const linesOf = (options: DnsmasqConfigOptions): string[] => dnsmasqConfig(options).split('\n');

describe('the configuration of dnsmasq', () => {
  it('listens on the one interface, and asks or answers no names', () => {
    for (const options of [server, proxy]) {
      const lines = linesOf(options);
      assert.deepEqual(
        lines.filter((line) => /^(?:interface|except-interface|bind-|port)/.test(line)),
        ['port=0', 'interface=eth1', 'except-interface=lo', 'bind-interfaces'],
      );
    }
  });

  it('gives firmware the iPXE of its architecture, and iPXE the script', () => {
    const boots = linesOf(server).filter((line) => line.startsWith('dhcp-boot='));
    assert.deepEqual(boots, [
      'dhcp-boot=tag:!ipxe,tag:arch0,undionly.kpxe',
      'dhcp-boot=tag:!ipxe,tag:arch7,snponly.efi',
      'dhcp-boot=tag:!ipxe,tag:arch9,snponly.efi',
      'dhcp-boot=tag:ipxe,boot.ipxe',
    ]);
  });

  it('does not offer an iPXE that is not there', () => {
    const text = dnsmasqConfig({ ...server, loaders: [] });
    assert.doesNotMatch(text, /undionly|snponly/);
    assert.match(text, /^dhcp-boot=tag:ipxe,boot\.ipxe$/m);
  });

  it('names no router and no nameserver unless told', () => {
    assert.deepEqual(
      linesOf(server).filter((line) => line.startsWith('dhcp-option=')),
      ['dhcp-option=option:router', 'dhcp-option=option:dns-server'],
    );
    const told = { ...server, router: '10.0.0.9', nameservers: ['10.0.0.7', '10.0.0.8'] };
    assert.deepEqual(
      linesOf(told).filter((line) => line.startsWith('dhcp-option=')),
      ['dhcp-option=option:router,10.0.0.9', 'dhcp-option=option:dns-server,10.0.0.7,10.0.0.8'],
    );
  });

  it('advertises a router that nobody routes through, when told', () => {
    assert.doesNotMatch(dnsmasqConfig(server), /enable-ra|::/);
    const lines = linesOf({ ...proxy, routerAdvertisements: true });
    assert.ok(lines.includes('enable-ra'));
    assert.ok(lines.includes('ra-param=eth1,0,0'), 'its lifetime as a router is zero');
    assert.ok(lines.includes('dhcp-range=::,constructor:eth1,ra-only'), 'no DHCPv6');
  });

  it('as a proxy gives no addresses', () => {
    const lines = linesOf(proxy);
    assert.deepEqual(
      lines.filter((line) => line.startsWith('dhcp-range=')),
      ['dhcp-range=10.0.0.0,proxy'],
    );
    assert.ok(!lines.includes('dhcp-authoritative'));
    assert.ok(lines.includes('pxe-service=tag:!ipxe,x86PC,"iPXE",undionly.kpxe'));
    assert.ok(lines.includes('pxe-service=tag:ipxe,x86PC,"rowfs",boot.ipxe'));
  });

  const hasDnsmasq = spawnSync('dnsmasq', ['--version']).status === 0;
  it('is one that dnsmasq takes', { skip: hasDnsmasq ? false : 'no dnsmasq here' }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'rowfs-dnsmasq-'));
    try {
      for (const options of [server, proxy, { ...proxy, routerAdvertisements: true }]) {
        const file = join(directory, 'dnsmasq.conf');
        writeFileSync(file, dnsmasqConfig(options));
        const { stderr } = spawnSync('dnsmasq', ['--test', `--conf-file=${file}`]);
        assert.match(String(stderr), /syntax check OK/);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
