import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Actor } from '../actor.ts';
import type { Cast } from './faults.ts';
import type { Participant, RegistryLinks } from './registry-links.ts';

/** What a command says once it is up, as far as a run needs it. */
interface Ready {
  readonly addresses: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
  readonly version: string;
}

/** A process that can be killed, and started again where it was. */
export interface Role {
  readonly name: string;
  readonly participant: Participant;
  readonly ready: Ready;
  readonly actor: Actor;
  /** The same again, at the same place. */
  readonly args: readonly string[];
}

export interface ImageServerRole extends Role {
  /** The directory it exports. */
  readonly exported: string;
}

/** The processes of a run, each with its own state and its own address. */
export class Stage {
  readonly nodes: Role[] = [];
  readonly servers: ImageServerRole[] = [];
  readonly proxies: Role[] = [];
  readonly directory: string;
  readonly #links: RegistryLinks;
  readonly #actors = new Set<Actor>();
  readonly #publisher: Participant;
  readonly #leaseSeconds: number;

  constructor(directory: string, links: RegistryLinks, leaseSeconds: number) {
    this.directory = directory;
    this.#links = links;
    this.#leaseSeconds = leaseSeconds;
    this.#publisher = links.addClient();
  }

  /** Addresses of registry nodes to join through. */
  get bootstrap(): readonly string[] {
    return this.nodes.flatMap(({ ready }) => ready.addresses);
  }

  async startNodesAndServers({ nodes, servers }: Cast): Promise<void> {
    for (let number = 1; number <= nodes; number += 1) {
      const participant = await this.#links.addNode();
      const { listen, announce } = participant;
      const args = ['node', '--listen', listen, '--announce', announce, '--rest', '127.0.0.1:0'];
      const first = number === 1 ? ['--alone'] : [];
      const role = await this.#start(`node ${number}`, participant, [...args, ...first]);
      // When it comes again it joins through the others.
      this.nodes.push({ ...role, args: [...args, ...this.#common(role.name, participant)] });
    }
    for (let number = 1; number <= servers; number += 1) {
      const name = `server ${number}`;
      const exported = join(this.directory, `server-${number}`);
      await mkdir(exported);
      const participant = this.#links.addClient();
      const args = ['serve', exported, '--listen', '127.0.0.1:0'];
      const role = await this.#start(name, participant, args);
      this.servers.push({ ...atSamePort(role), exported });
    }
  }

  async startProxies(appliance: string, count: number): Promise<void> {
    for (let number = 1; number <= count; number += 1) {
      const args = ['proxy', appliance, '--listen', '127.0.0.1:0', '--rest', '127.0.0.1:0'];
      const lease = ['--lease', `${this.#leaseSeconds}s`];
      const role = await this.#start(`proxy ${number}`, this.#links.addClient(), [
        ...args,
        ...lease,
      ]);
      this.proxies.push(atSamePort(role));
    }
  }

  /** Starts one again that was killed or ended. @returns how it is now. */
  async startAgain(role: Role): Promise<Role> {
    const actor = new Actor(role.name, 'rowfs', role.args);
    this.#actors.add(actor);
    return { ...role, actor, ready: await actor.next<Ready>() };
  }

  /** Runs a command of the publisher's to its end. @throws CliError ENDED_EARLY with what it said. */
  async publisher<Answer>(args: readonly string[]): Promise<Answer> {
    const common = this.#common('publisher', this.#publisher);
    const actor = new Actor(args[0] ?? '', 'rowfs', [...args, ...common]);
    this.#actors.add(actor);
    try {
      return await actor.next<Answer>();
    } finally {
      await actor.stop();
      this.#actors.delete(actor);
    }
  }

  /** Ends every process, in the reverse order of their start. */
  async close(): Promise<void> {
    for (const actor of [...this.#actors].reverse()) {
      actor.goOn();
      await actor.stop();
    }
  }

  async #start(name: string, participant: Participant, args: readonly string[]): Promise<Role> {
    const all = [...args, ...this.#common(name, participant)];
    const actor = new Actor(name, 'rowfs', all);
    this.#actors.add(actor);
    const ready = await actor.next<Ready>();
    return { name, participant, actor, args: all, ready };
  }

  #common(owner: string, { address }: Participant): string[] {
    const state = join(this.directory, 'state', owner.replaceAll(' ', '-'));
    const where = ['--state', state, '--cache', join(state, 'cache'), '--config', '/dev/null'];
    const registry = this.nodes.length > 0 ? ['--registry', ...this.bootstrap] : [];
    return ['--json', ...where, '--dial-from', address, ...registry];
  }
}

/** Clients go on at the port that they know. */
function atSamePort(role: Role): Role {
  const at = `127.0.0.1:${role.ready.port}`;
  const listen = role.args.indexOf('--listen') + 1;
  return { ...role, args: role.args.with(listen, at) };
}
