import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kernelCommandLine, type CommandLineOptions } from './kernel-command-line.ts';
import { parseMacAddress } from './mac-address.ts';

const mac = parseMacAddress('52:54:00:77:00:02');
assert.ok(mac !== undefined);
const options: CommandLineOptions = {
  initramfs: 'initramfs-tools',
  root: { host: '10.0.0.1', port: 2050, mountPort: 40_000, path: `/${mac}` },
  mac,
  heartbeat: 'http://10.0.0.1:8069/machines/52-54-00-77-00-02/heartbeat',
  extra: '',
};

describe("the kernel's command line", () => {
  it("is one that Debian's initramfs-tools and klibc's nfsmount take", () => {
    assert.equal(
      kernelCommandLine(options),
      'root=/dev/nfs boot=nfs nfsroot=10.0.0.1:/52-54-00-77-00-02,port=2050,v3,tcp,nolock,hard,nocto ' +
        'ip=${ip}::${gateway}:${netmask}:::none BOOTIF=01-52-54-00-77-00-02 rw panic=10 ' +
        'rowfs.heartbeat=http://10.0.0.1:8069/machines/52-54-00-77-00-02/heartbeat',
    );
  });

  it('is one that dracut takes', () => {
    assert.equal(
      kernelCommandLine({ ...options, initramfs: 'dracut', extra: 'console=ttyS0' }),
      'root=nfs:10.0.0.1:/52-54-00-77-00-02:vers=3,proto=tcp,nolock,hard,nocto,port=2050,mountport=40000 ' +
        'ifname=bootnet:52:54:00:77:00:02 ip=${ip}::${gateway}:${netmask}::bootnet:none rd.neednet=1 ' +
        'rd.shell=0 rd.emergency=reboot rw panic=10 ' +
        'rowfs.heartbeat=http://10.0.0.1:8069/machines/52-54-00-77-00-02/heartbeat console=ttyS0',
    );
  });
});

describe('a MAC address', () => {
  it('is read as anybody writes it', () => {
    for (const text of ['52:54:00:77:00:02', '52-54-00-77-00-02', '5254.0077.0002', '525400770002'])
      assert.equal(parseMacAddress(text), mac);
    assert.equal(parseMacAddress('AA:BB:CC:DD:EE:FF'), 'aa-bb-cc-dd-ee-ff');
  });

  it('is not anything else, such as a path', () => {
    for (const text of [
      '',
      '52:54:00:77:00',
      '../../../etc/',
      'zz:54:00:77:00:02',
      '52:54:00:77:00:02:03',
    ])
      assert.equal(parseMacAddress(text), undefined);
  });
});
