import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImageServer, listShadows, type ShadowSummary } from '@rowfs/proxy';
import { CliError } from './errors.ts';

/** A shadow of a machine that runs here, or ran. */
export interface MachineShadow extends ShadowSummary {
  /** The appliance's name, or `plain-...` for plain NFS exports. */
  readonly appliance: string;
  /** What `rowfs proxy --name` was. */
  readonly machine: string;
  /** The directory of the machine's state. */
  readonly state: string;
  /** What commands call it: APPLIANCE/MACHINE/NAME. */
  readonly id: string;
}

/** Where the state of machines is: of an appliance, or a set of servers, and a name. */
export const machinesDirectory = (state: string): string => join(state, 'proxy');

/** The name of the directory of the machines that run an appliance, or what a set of servers has. */
export function imageDirectoryName(
  appliance: string | undefined,
  servers: readonly ImageServer[],
  digest: string | undefined,
): string {
  if (appliance !== undefined) return appliance;
  if (digest !== undefined) return `image-${digest.slice(0, 12)}`;
  return `plain-${createHash('sha256').update(JSON.stringify(servers)).digest('hex').slice(0, 12)}`;
}

/** All shadows below a state directory. */
export async function machineShadows(state: string): Promise<MachineShadow[]> {
  const root = machinesDirectory(state);
  const shadows: MachineShadow[] = [];
  for (const appliance of await namesIn(root)) {
    for (const machine of await namesIn(join(root, appliance))) {
      const directory = join(root, appliance, machine);
      for (const shadow of await listShadows(directory)) {
        const id = `${appliance}/${machine}/${shadow.name}`;
        shadows.push({ ...shadow, appliance, machine, state: directory, id });
      }
    }
  }
  return shadows;
}

/**
 * The shadow that a person means: its id, or any part of it that only one has; the only one when
 * nothing is said.
 *
 * @throws CliError NO_SUCH_SHADOW, AMBIGUOUS_SHADOW
 */
export async function findShadow(state: string, text: string | undefined): Promise<MachineShadow> {
  const all = await machineShadows(state);
  const exact = all.find(({ id }) => id === text);
  const meant = exact === undefined ? all.filter(({ id }) => means(id, text)) : [exact];
  const [shadow, ...others] = meant;
  if (shadow === undefined) {
    const which = text === undefined ? 'no shadow' : `no shadow '${text}'`;
    throw new CliError('NO_SUCH_SHADOW', `there is ${which} in ${state}: see rowfs shadow ls`);
  }
  if (others.length > 0) {
    const ids = meant.map(({ id }) => id).join(', ');
    throw new CliError('AMBIGUOUS_SHADOW', `which one: ${ids}?`);
  }
  return shadow;
}

/** Whether whole parts of the id, in their order, are what was said. */
function means(id: string, text: string | undefined): boolean {
  if (text === undefined) return true;
  const withoutKey = id.replace(/@[^/]*/, '');
  return [id, withoutKey].some((each) => `/${each}/`.includes(`/${text}/`));
}

async function namesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}
