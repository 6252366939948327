/** Seconds between attempts of a machine whose server does not answer, or cannot serve it yet. */
const RETRY_SECONDS = 3;

/**
 * What every machine gets: it asks by HTTP for the script that is its own, until it has it.
 *
 * @param http `http://10.0.0.1:8069`
 */
export function firstScript(http: string): string {
  return script([
    'isset ${ip} || dhcp || goto again',
    ':again',
    `chain --autofree --replace ${http}/machines/\${netX/mac:hexhyp}/boot.ipxe || sleep ${RETRY_SECONDS}`,
    'goto again',
  ]);
}

export interface MachineScriptOptions {
  /** Where kernel and initrd are, by HTTP and by TFTP: a directory of each. */
  readonly http: string;
  readonly tftp: string;
  readonly commandLine: string;
}

/** What one machine boots. iPXE knows the initrd by its name, and the kernel must be told it. */
export function machineScript({ http, tftp, commandLine }: MachineScriptOptions): string {
  const fetched = (what: string, rest: string): string[] => [
    `:${what}`,
    `${what === 'vmlinuz' ? 'kernel' : 'initrd'} --name ${what} ${http}/${what}${rest} || goto ${what}_tftp`,
    `goto have_${what}`,
    `:${what}_tftp`,
    `${what === 'vmlinuz' ? 'kernel' : 'initrd'} --name ${what} ${tftp}/${what}${rest} || goto ${what}_failed`,
    `goto have_${what}`,
    `:${what}_failed`,
    `sleep ${RETRY_SECONDS}`,
    `goto ${what}`,
    `:have_${what}`,
  ];
  return script([
    'imgfree',
    ...fetched('vmlinuz', ` initrd=initrd.img ${commandLine}`),
    ...fetched('initrd.img', ''),
    'boot',
  ]);
}

function script(lines: readonly string[]): string {
  return ['#!ipxe', ...lines, ''].join('\n');
}
