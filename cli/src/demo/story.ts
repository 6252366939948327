import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { Actor } from '../actor.ts';
import { CliError } from '../errors.ts';
import type {
  BuiltImage,
  GcAnswer,
  ReadyNode,
  ReadyProxy,
  ReadyServer,
  SessionAnswer,
} from './answers.ts';
import type { ClientTask } from './client.ts';
import type { Comparison } from './compare-tree.ts';
import {
  chooseImageSource,
  makeImage,
  makeNextVersion,
  replicate,
  treeDigest,
} from './sample-image.ts';

const NAME = 'demo';
const REGISTRY_NODES = 3;
/** Short, so that a lease of a client that vanished is gone while one watches. */
const LEASE_SECONDS = 2;

/** What is up at the end of the story, for whoever wants to look around. */
export interface Stage {
  readonly mountCommand: string;
  readonly rest: string;
  close(): Promise<void>;
}

/**
 * Plays the main job on this machine with real processes, real data and nothing faked: registry
 * nodes, two image servers, publish, proxy, reads compared with the source, redirected writes, kill
 * -9 of the server in use, a new version, garbage collection.
 *
 * @throws CliError DEMO_FAILED when a step does not hold, ENDED_EARLY when a process does; the signal's reason when it was aborted.
 */
export async function playStory(options: StoryOptions): Promise<Stage> {
  const { print, tree, signal } = options;
  const story = await Story.begin(print);
  // Its processes end, and so does every step that waits for one of them.
  const end = (): void => void story.close();
  signal.addEventListener('abort', end);
  try {
    return await story.play(tree);
  } catch (error) {
    await story.close();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

export interface StoryOptions {
  /** Shows one line. */
  readonly print: (line: string) => void;
  /** The directory to make the image of, instead of parts of this machine's system. */
  readonly tree: string | undefined;
  /** Ends the story early, with everything that it started. */
  readonly signal: AbortSignal;
}

class Story {
  readonly #print: (line: string) => void;
  readonly #directory: string;
  readonly #started = performance.now();
  readonly #actors = new Set<Actor>();
  #registry: string[] = [];

  static async begin(print: (line: string) => void): Promise<Story> {
    return new Story(print, await mkdtemp(join(tmpdir(), 'rowfs-demo-')));
  }

  private constructor(print: (line: string) => void, directory: string) {
    this.#print = print;
    this.#directory = directory;
  }

  async play(tree: string | undefined): Promise<Stage> {
    const image = join(this.#directory, 'v1');
    const replica = join(this.#directory, 'v1-replica');
    const source = await chooseImageSource(tree);
    await makeImage(source, image);
    await this.#describe(image);
    await replicate(image, replica);
    const before = await treeDigest(image);
    this.#tell(
      'image',
      `${prettyBytes(source.bytes)} of ${source.parts.length} directories of this machine, and a replica of it`,
    );

    const rest = await this.#startRegistry();
    const { id } = await this.#once<{ id: string }>('key', ['key', '--name', NAME]);
    const servers = [await this.#serve('server A', image), await this.#serve('server B', replica)];
    await this.#publish('v1', servers);

    let proxy = await this.#startProxy(id);
    const killed = await this.#compareWhileKilled(proxy.ready, image, source.bytes, servers);
    await this.#kill(killed === 'server A' ? 'server B' : 'server A', 'no image server is left');
    await proxy.actor.stop();
    proxy = await this.#startProxy(id);
    await this.#compare(proxy.ready, image);
    this.#tell('client', 'all of it read again from the cache: the same, byte for byte');

    await this.#client(proxy.ready, { do: 'write' });
    await this.#checkWrites(
      proxy.ready,
      'written, overwritten, renamed and removed through the proxy',
    );
    expect((await treeDigest(image)) === before, 'the image was changed by redirected writes');
    this.#tell('image', 'unchanged by that: every name, mode, time and byte is as it was');

    await proxy.actor.stop();
    proxy = await this.#startProxy(id);
    await this.#checkWrites(proxy.ready, 'all there after a restart of the proxy');

    const next = join(this.#directory, 'v2');
    await makeNextVersion(replica, next);
    await this.#describe(next);
    await this.#publish('v2', [await this.#serve('server C', next)]);
    await this.#gc('v1', 'keep', 'in use');
    await proxy.actor.stop();
    proxy = await this.#startProxy(id);
    expect(proxy.ready.version === 'v2', `the restarted proxy runs ${proxy.ready.version}`);
    await this.#compare(proxy.ready, next);
    const fetched = (await this.#session(proxy.ready)).image?.reads.fetchedBytes ?? 0;
    this.#tell(
      'client',
      `v2 is as its source; ${prettyBytes(fetched)} of it were not here already`,
    );
    await this.#gc('v1', 'delete', 'unused');
    await this.#collectGarbage();
    return { mountCommand: proxy.ready.mountCommand, rest, close: () => this.close() };
  }

  /** Ends every process of the story, in the reverse order of their start, and removes its files. */
  async close(): Promise<void> {
    for (const actor of [...this.#actors].reverse()) await actor.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Makes the manifest of an image: what is published is its digest. */
  async #describe(image: string): Promise<void> {
    const { digest, inodes, blocks, read, reused } = await this.#once<BuiltImage>('image', [
      'image',
      'build',
      image,
    ]);
    const again =
      reused.files === 0 ? '' : `, ${reused.files} files as in the manifest of the last version`;
    this.#tell(
      'manifest',
      `${digest.slice(0, 12)}...: ${inodes} inodes, ${blocks} blocks, ${prettyBytes(read.bytes)} read${again}`,
    );
  }

  async #startRegistry(): Promise<string> {
    let rest = '';
    for (let i = 1; i <= REGISTRY_NODES; i += 1) {
      const node = this.#start(`registry node ${i}`, [
        'node',
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
        '--rest',
        '127.0.0.1:0',
        ...(i === 1 ? ['--alone'] : []),
      ]);
      const ready = await node.next<ReadyNode>();
      this.#registry = [...this.#registry, ...ready.addresses];
      rest ||= ready.rest;
    }
    this.#tell('registry', `${REGISTRY_NODES} nodes, REST at ${rest}`);
    return rest;
  }

  async #serve(name: string, directory: string): Promise<ReadyServer> {
    const actor = this.#start(name, ['serve', directory, '--listen', '127.0.0.1:0']);
    const ready = await actor.next<ReadyServer>();
    this.#tell(
      name,
      `pid ${actor.pid ?? 0} serves its copy read-only at ${ready.host}:${ready.port}`,
    );
    return ready;
  }

  async #publish(version: string, servers: readonly ReadyServer[]): Promise<void> {
    const addresses = servers.flatMap(({ host, port }) => ['--server', `${host}:${port}:/`]);
    await this.#once('publish', ['publish', NAME, '--version', version, ...addresses]);
    this.#tell(
      'publish',
      `${NAME} ${version} from ${servers.length} server(s), of which blocks were read and compared first`,
    );
  }

  async #startProxy(id: string): Promise<{ ready: ReadyProxy; actor: Actor }> {
    const actor = this.#start('proxy', [
      'proxy',
      id,
      '--listen',
      '127.0.0.1:0',
      '--rest',
      '127.0.0.1:0',
      '--lease',
      `${LEASE_SECONDS}s`,
    ]);
    const ready = await actor.next<ReadyProxy>();
    this.#tell(
      'proxy',
      `pid ${actor.pid ?? 0} resolved ${NAME} ${ready.version} and serves it at ${ready.host}:${ready.port}`,
    );
    return { ready, actor };
  }

  async #compare(proxy: ReadyServer, source: string): Promise<void> {
    const found = await this.#client<Comparison>(proxy, { do: 'compare', source });
    this.#same(found);
  }

  /**
   * Kills the busiest server once a third of the image was read, and expects the read to go on.
   *
   * @returns the name of that server.
   */
  async #compareWhileKilled(
    proxy: ReadyProxy,
    source: string,
    total: number,
    servers: readonly ReadyServer[],
  ): Promise<string> {
    const client = this.#act('client', 'client', [task(proxy, { do: 'compare', source })]);
    let killed = '';
    for (;;) {
      const said = await client.next<{ done?: true; bytes: number } & Comparison>();
      if (said.done === true) {
        this.#same(said);
        this.#tell('client', `${summary(said)}: the same as the source, byte for byte`);
        break;
      }
      if (killed === '' && said.bytes > total / 3) {
        killed = await this.#busiest(proxy, servers);
        await this.#kill(killed, 'in the middle of a read, which goes on at the other server');
      }
    }
    await client.stop();
    expect(killed !== '', 'the read was over before the server could be killed');
    return killed;
  }

  async #session({ rest }: ReadyProxy): Promise<SessionAnswer['sessions'][number]> {
    const answer = await fetch(`${rest}/v1/sessions`);
    const { sessions } = (await answer.json()) as SessionAnswer;
    const [session] = sessions;
    expect(session !== undefined, 'the proxy has no session');
    return session;
  }

  /** The name of the server that most of the image came from. */
  async #busiest(proxy: ReadyProxy, servers: readonly ReadyServer[]): Promise<string> {
    const { servers: used } = await this.#session(proxy);
    const [busiest] = used.toSorted((a, b) => (b.blocks?.good ?? 0) - (a.blocks?.good ?? 0));
    const address = busiest?.address ?? '';
    const index = servers.findIndex(({ host, port }) => address.startsWith(`${host}:${port}`));
    expect(index !== -1, `the proxy reads from an unknown server '${address}'`);
    return index === 0 ? 'server A' : 'server B';
  }

  async #kill(name: string, what: string): Promise<void> {
    const actor = [...this.#actors].find((each) => each.name === name);
    expect(actor !== undefined, `${name} does not run`);
    await actor.kill();
    this.#actors.delete(actor);
    this.#tell(name, `kill -9: ${what}`);
  }

  async #checkWrites(proxy: ReadyServer, what: string): Promise<void> {
    const { wrong } = await this.#client<{ wrong: string[] }>(proxy, { do: 'check-writes' });
    expect(wrong.length === 0, `not as the client left it: ${wrong.join(', ')}`);
    this.#tell('client', what);
  }

  async #gc(version: string, decision: string, means: string): Promise<GcAnswer> {
    const answer = await this.#once<GcAnswer>('gc', ['gc', NAME, '--keep', '1', '--grace', '0s']);
    const entry = answer.plan.decisions.find((each) => each.version === version);
    expect(
      entry?.decision === decision,
      `gc would ${entry?.decision ?? 'not mention'} ${version}, which is ${means}`,
    );
    this.#tell('gc', `plan: ${decision} ${version}: ${entry.text}`);
    return answer;
  }

  async #collectGarbage(): Promise<void> {
    await this.#once('gc', [
      'gc',
      NAME,
      '--keep',
      '1',
      '--grace',
      '0s',
      '--lease',
      `${LEASE_SECONDS}s`,
      '--apply',
    ]);
    const { versions } = await this.#once<{ versions: readonly { version: string }[] }>('ls', [
      'ls',
      NAME,
    ]);
    const left = versions.map(({ version }) => version).join(', ');
    expect(left === 'v2', `versions left after gc: ${left}`);
    this.#tell('gc', `applied: v1 is gone, ${left} is left`);
  }

  #same({ differences, files, bytes }: Comparison): void {
    expect(differences.length === 0, `the client sees another tree: ${differences.join('; ')}`);
    expect(files > 0 && bytes > 0, 'the client saw an empty tree');
  }

  #start(name: string, args: readonly string[]): Actor {
    return this.#act(name, 'rowfs', [...args, ...this.#common(name)]);
  }

  async #once<Answer>(name: string, args: readonly string[]): Promise<Answer> {
    const actor = this.#act(name, 'rowfs', [...args, ...this.#common('publisher')]);
    const answer = await actor.next<Answer>();
    await actor.stop();
    this.#actors.delete(actor);
    return answer;
  }

  async #client<Answer>(proxy: ReadyServer, what: TaskOf<ClientTask>): Promise<Answer> {
    const client = this.#act('client', 'client', [task(proxy, what)]);
    for (;;) {
      const said = await client.next<{ done?: true } & Answer>();
      if (said.done !== true) continue;
      await client.stop();
      this.#actors.delete(client);
      return said;
    }
  }

  #act(name: string, command: 'rowfs' | 'client', args: readonly string[]): Actor {
    const actor = new Actor(name, command, args);
    this.#actors.add(actor);
    return actor;
  }

  #common(owner: string): string[] {
    const state = join(this.#directory, 'state', owner.replaceAll(' ', '-'));
    const registry = this.#registry.length > 0 ? ['--registry', ...this.#registry] : [];
    const cache = join(state, 'cache');
    return ['--json', '--state', state, '--cache', cache, '--config', '/dev/null', ...registry];
  }

  #tell(who: string, what: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    this.#print(`${seconds.padStart(6)} s  ${who.padEnd(16)} ${what}`);
  }
}

type TaskOf<T> = T extends unknown ? Omit<T, 'host' | 'port' | 'mountPort'> : never;

function task({ host, port, mountPort }: ReadyServer, what: TaskOf<ClientTask>): string {
  return JSON.stringify({ host, port, mountPort, ...what });
}

function summary({ directories, files, symlinks, hardLinks, bytes }: Comparison): string {
  return `${files} files in ${directories} directories, ${symlinks} symbolic and ${hardLinks} hard links, ${prettyBytes(bytes)}`;
}

function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new CliError('DEMO_FAILED', `the demo failed: ${otherwise}`);
}
