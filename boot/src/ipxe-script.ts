/** Seconds between attempts of a machine whose server does not answer, or cannot serve it yet. */
const RETRY_SECONDS = 3;

/**
 * Milliseconds without a byte after which iPXE lets go of a server that hangs, or that was switched off and on;
 * by itself it would wait for ever. A script takes as long as it takes to find an image far away.
 */
const SCRIPT_PATIENCE_MS = 120_000;
const FILE_PATIENCE_MS = 20_000;

/**
 * What every machine gets: it asks by HTTP for the script that is its own, until it has it.
 *
 * @param http `http://10.0.0.1:8069`
 */
export function firstScript(http: string): string {
  return script([
    'isset ${ip} || dhcp || goto again',
    ':again',
    `${ownScript(http)} || sleep ${RETRY_SECONDS}`,
    'goto again',
  ]);
}

export interface MachineScriptOptions {
  /** Of this server: `http://10.0.0.1:8069`, `tftp://10.0.0.1`. */
  readonly http: string;
  readonly tftp: string;
  /** Where kernel and initrd are, by both: a directory. */
  readonly path: string;
  readonly commandLine: string;
}

/**
 * What one machine boots: by TFTP what HTTP does not give, and from its script on when neither does. iPXE knows
 * the initrd by its name, and the kernel must be told it.
 */
export function machineScript({ http, tftp, path, commandLine }: MachineScriptOptions): string {
  const fetched = (command: string, name: string, ...rest: string[]): string => {
    const from = (server: string): string =>
      [
        `${command} --timeout ${FILE_PATIENCE_MS} --name ${name} ${server}/${path}/${name}`,
        ...rest,
      ].join(' ');
    return `${from(http)} || ${from(tftp)} || goto again`;
  };
  return script([
    'imgfree',
    fetched('kernel', 'vmlinuz', 'initrd=initrd.img', commandLine),
    fetched('initrd', 'initrd.img'),
    'boot || goto again',
    ':again',
    `sleep ${RETRY_SECONDS}`,
    `${ownScript(http)} || goto again`,
  ]);
}

function ownScript(http: string): string {
  return `chain --timeout ${SCRIPT_PATIENCE_MS} --autofree --replace ${http}/machines/\${netX/mac:hexhyp}/boot.ipxe`;
}

function script(lines: readonly string[]): string {
  return ['#!ipxe', ...lines, ''].join('\n');
}
