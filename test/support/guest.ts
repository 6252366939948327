/**
 * A Linux guest under QEMU's software emulation, with a channel to run shell steps in it while a test
 * does things to servers on the host. In the guest, 10.0.2.2 is the host's 127.0.0.1.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestImage } from './guest-image.ts';
import type { NfsServerAddress } from './nfs-server-address.ts';
import { startProcess, type RunningProcess } from './process.ts';

export type GuestOptions = {
  readonly image: GuestImage;
  /** Where the console log and the channel's socket live: the test's own directory. */
  readonly directory: string;
  readonly name?: string;
  readonly memoryMiB?: number;
  readonly cpus?: number;
  /** Raw disk images: /dev/vda, /dev/vdb ... in the guest. */
  readonly disks?: readonly string[];
  /** What goes before the command, as to run it in another namespace. */
  readonly enter?: readonly string[];
  /** The iPXE script that the network card boots by TFTP, instead of the image's kernel being given. */
  readonly netboot?: string;
};

export type StepResult = {
  readonly status: number;
  /** Bytes as latin1, so names that are not UTF-8 survive; see `utf8` for text. */
  readonly stdout: string;
  readonly stderr: string;
};

export type NfsMountOptions = {
  /** On the host's loopback; the guest reaches it by another address. */
  readonly server: Pick<NfsServerAddress, 'nfsPort' | 'mountPort'>;
  /** What the MOUNT protocol is asked for. */
  readonly path: string;
  readonly mountpoint: string;
  /** Appended to the mount options, e.g. `['ro', 'actimeo=0']`. */
  readonly extra?: readonly string[];
};

/**
 * GUEST_LOCKUP: the emulator stalled a virtual CPU (about one boot in 60 with two CPUs): a test may
 * retry. GUEST_TIMEOUT: a step or the boot took too long. GUEST_ENDED: power-off, panic or `close()`.
 * GUEST_STEP_FAILED: a step ended with another status than 0.
 */
export class GuestError extends Error {
  readonly code: 'GUEST_LOCKUP' | 'GUEST_TIMEOUT' | 'GUEST_ENDED' | 'GUEST_STEP_FAILED';

  constructor(code: GuestError['code'], message: string) {
    super(message);
    this.name = 'GuestError';
    this.code = code;
  }
}

export const HOST_SEEN_BY_GUEST = '10.0.2.2';
const BOOT_TIMEOUT_MS = 120_000;
const BOOT_ATTEMPTS = 3;

/** What is the same of every guest, whatever it boots. */
export type MachineOptions = {
  /** Where the console log and the channel's socket live: the test's own directory. */
  readonly directory: string;
  readonly name: string;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** What goes before the command, as to run it in another namespace. */
  readonly enter: readonly string[];
  /** Arguments of QEMU: what it boots from, and its disks and cards. */
  readonly arguments: readonly string[];
  readonly bootTimeoutMs: number;
};

/** Boots a guest and waits until it takes steps. A boot that locks up is tried again. */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await bootOnce(options, attempt);
    } catch (error) {
      const retry = error instanceof GuestError && error.code === 'GUEST_LOCKUP';
      if (!retry || attempt === BOOT_ATTEMPTS) throw error;
    }
  }
}

async function bootOnce(options: GuestOptions, attempt: number): Promise<Guest> {
  const { directory, name = 'guest', memoryMiB = 256, cpus = 1, disks = [] } = options;
  const guest = await startMachine(
    {
      ...{ directory, name, memoryMiB, cpus, enter: options.enter ?? [] },
      bootTimeoutMs: BOOT_TIMEOUT_MS,
      arguments: [
        ...(await bootArguments(options)),
        ...disks.flatMap((file) => ['-drive', `file=${file},format=raw,if=virtio`]),
      ],
    },
    attempt,
  );
  try {
    await guest.booted;
    return guest;
  } catch (error) {
    await guest.close();
    throw error;
  }
}

/** Switches a machine on. @param run tells console logs apart */
export async function startMachine(options: MachineOptions, run: number): Promise<Guest> {
  const { directory, name, memoryMiB, cpus } = options;
  // A Unix socket's path may have 107 bytes: keep what we add to the directory short.
  const socketPath = join(directory, `${name}.sock`);
  const server = createServer();
  server.listen(socketPath);
  await once(server, 'listening');
  const [command, ...before] = [...options.enter, 'qemu-system-x86_64'];
  const machine = await startProcess(
    command,
    [
      ...before,
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-machine', 'pc,graphics=off', '-accel', 'tcg,thread=multi', '-cpu', 'qemu64'],
      ...['-smp', String(cpus), '-m', String(memoryMiB), '-serial', 'stdio'],
      ...options.arguments,
      ...['-object', 'rng-random,id=rng0,filename=/dev/urandom'],
      ...['-device', 'virtio-rng-pci,rng=rng0', '-device', 'virtio-serial-pci'],
      ...['-chardev', `socket,id=steps,path=${socketPath}`],
      ...['-device', 'virtserialport,chardev=steps,name=rowfs.steps'],
    ],
    { name: `QEMU (${name})`, logFile: join(directory, `${name}-${run}.console.log`) },
  );
  return new Guest(machine, server, socketPath, options.bootTimeoutMs);
}

async function bootArguments({ image, directory, netboot }: GuestOptions): Promise<string[]> {
  const card = 'virtio-net-pci,netdev=net0';
  if (netboot !== undefined) {
    const tftp = await mkdtemp(join(directory, 'tftp-'));
    await writeFile(join(tftp, 'boot.ipxe'), netboot);
    const network = `user,id=net0,tftp=${tftp},bootfile=/boot.ipxe`;
    return ['-netdev', network, '-device', card, '-boot', 'n'];
  }
  return [
    // No option ROM: the kernel is given, nothing boots from the network card.
    ...['-netdev', 'user,id=net0', '-device', `${card},romfile=`],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', KERNEL_COMMAND_LINE],
  ];
}

// cryptomgr.notests and mitigations=off save seconds under emulation and change nothing under test.
export const KERNEL_COMMAND_LINE = [
  'console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off cryptomgr.notests=1',
  'random.trust_cpu=on tsc=reliable',
].join(' ');

type PendingStep = {
  readonly resolve: (result: StepResult) => void;
  readonly reject: (error: GuestError) => void;
};

export class Guest {
  /** Resolves when the guest takes steps. */
  readonly booted: Promise<void>;
  readonly #machine: RunningProcess;
  readonly #server: Server;
  readonly #socketPath: string;
  readonly #pending = new Map<string, PendingStep>();
  #channel: Socket | undefined;
  #failure: GuestError | undefined;
  #received = '';
  #nextId = 1;

  constructor(machine: RunningProcess, server: Server, socketPath: string, bootTimeoutMs: number) {
    this.#machine = machine;
    this.#server = server;
    this.#socketPath = socketPath;
    this.booted = this.#expect('ready', 'boot', bootTimeoutMs).then(() => undefined);
    // Whoever boots awaits it; without this a failure before that would end the test process.
    this.booted.catch(() => undefined);
    server.once('connection', (channel) => {
      this.#channel = channel;
      channel.setEncoding('latin1').on('data', (text: string) => this.#receive(text));
      channel.on('error', () => undefined);
    });
    void machine.waitForLine(/BUG: soft lockup|Kernel panic/, { timeoutMs: 2 ** 31 - 1 }).then(
      ([line]) => this.#fail(line.startsWith('BUG') ? 'GUEST_LOCKUP' : 'GUEST_ENDED', line),
      (ended: unknown) => this.#fail('GUEST_ENDED', String(ended)),
    );
  }

  /** Resolves when it is switched off, by itself or not. */
  get ended(): Promise<unknown> {
    return this.#machine.ended;
  }

  /** Waits for what it writes on its console. */
  async writes(pattern: RegExp, timeoutMs: number): Promise<void> {
    await this.#machine.waitForLine(pattern, { timeoutMs });
  }

  /** The console so far: the kernel's messages. */
  get console(): string {
    return this.#machine.output;
  }

  /** Runs a shell script in the guest; steps may run side by side. A status other than 0 is no error. */
  async tryRun(script: string, { timeoutMs = 60_000 } = {}): Promise<StepResult> {
    const id = String(this.#nextId++);
    const result = this.#expect(id, script, timeoutMs);
    this.#channel?.write(`${id} ${Buffer.from(script, 'utf8').toString('base64')}\n`);
    return result;
  }

  /** Like `tryRun`, but throws GUEST_STEP_FAILED unless the script ends with status 0. */
  async run(script: string, options: { timeoutMs?: number } = {}): Promise<StepResult> {
    const result = await this.tryRun(script, options);
    if (result.status === 0) return result;
    throw new GuestError(
      'GUEST_STEP_FAILED',
      `status ${result.status} of a step in the guest:\n${script}\n${utf8(result.stderr)}${utf8(result.stdout.slice(-2_000))}`,
    );
  }

  /** Mounts an export of a server on the host's loopback with the kernel's NFS client. */
  async mount({ server, path, mountpoint, extra = [] }: NfsMountOptions): Promise<void> {
    const options = [
      'vers=3,proto=tcp,mountproto=tcp,nolock,hard',
      `port=${server.nfsPort},mountport=${server.mountPort}`,
      `addr=${HOST_SEEN_BY_GUEST},mountaddr=${HOST_SEEN_BY_GUEST}`,
      ...extra,
    ].join(',');
    // -i: the kernel speaks MOUNT itself, without a mount.nfs that would look for a portmapper.
    await this.run(
      `mkdir -p '${mountpoint}' && mount -i -t nfs -o ${options} '${HOST_SEEN_BY_GUEST}:${path}' '${mountpoint}'`,
    );
  }

  async unmount(mountpoint: string): Promise<void> {
    await this.run(`umount '${mountpoint}'`);
  }

  /** Forgets clean pages, names and attributes, so that the next reads go to the server. */
  async dropCaches(): Promise<void> {
    await this.run('sync; echo 3 >/proc/sys/vm/drop_caches');
  }

  /** Switches the machine off as a power cut would. Pending steps reject with GUEST_ENDED. */
  async close(): Promise<void> {
    await this.#machine.close();
    this.#fail('GUEST_ENDED', 'the guest was closed');
    this.#channel?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#socketPath, { force: true });
  }

  #expect(id: string, what: string, timeoutMs: number): Promise<StepResult> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new GuestError('GUEST_TIMEOUT', `not done after ${timeoutMs} ms: ${what}`));
      }, timeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#pending.delete(id);
      };
      this.#pending.set(id, {
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
    });
  }

  #receive(text: string): void {
    this.#received += text;
    const lines = this.#received.split('\n');
    this.#received = lines.pop() ?? '';
    for (const line of lines) {
      const [id = '', status = '0', stdout = '.', stderr = '.'] = line.split(' ');
      this.#pending
        .get(id)
        ?.resolve({ status: Number(status), stdout: unpack(stdout), stderr: unpack(stderr) });
    }
  }

  #fail(code: GuestError['code'], reason: string): void {
    this.#failure ??= new GuestError(code, reason);
    for (const step of [...this.#pending.values()]) step.reject(this.#failure);
  }
}

/** A field of the guest's answer: a dot, so that it is never empty, and base64. */
function unpack(field: string): string {
  return Buffer.from(field.slice(1), 'base64').toString('latin1');
}

/** The text of a step's output whose bytes are UTF-8. */
export function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
