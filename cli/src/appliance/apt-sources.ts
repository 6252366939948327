import { execa } from 'execa';
import { CliError, lineOf } from '../errors.ts';

/** One archive that apt of this machine takes packages from. */
interface AptSource {
  readonly uri: string;
  /** `bookworm`, `bookworm-updates`. */
  readonly release: string;
  readonly component: string;
}

/**
 * Where packages of a Debian suite come from: the sources of this machine's own apt that are of that suite, or
 * else its archives with that suite's name; as lines of sources.list(5).
 *
 * @throws CliError NO_APT_SOURCES
 */
export async function sourcesOfSuite(suite: string): Promise<string> {
  const sources = await aptSources();
  const ofSuite = sources.filter(({ release }) => isOfSuite(release, suite));
  // The main archive has every suite; those of updates and security name theirs differently.
  const elsewhere = sources
    .filter(({ release }) => !/[-/]/.test(release))
    .map((source) => ({ ...source, release: suite }));
  const lines = (ofSuite.length > 0 ? ofSuite : elsewhere).map(
    ({ uri, release, component }) => `deb ${uri} ${release} ${component}\n`,
  );
  if (lines.length > 0) return [...new Set(lines)].join('');
  throw new CliError(
    'NO_APT_SOURCES',
    'apt of this machine has no Debian sources: add some to /etc/apt/sources.list, and run apt-get update',
  );
}

export function isOfSuite(release: string, suite: string): boolean {
  return release === suite || release.startsWith(`${suite}-`) || release.startsWith(`${suite}/`);
}

async function aptSources(): Promise<AptSource[]> {
  const format = '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await execa('apt-get', [
    'indextargets',
    '--format',
    format,
    'Created-By: Packages',
  ]).catch((error: unknown) => {
    throw new CliError('NO_APT_SOURCES', `cannot ask apt for its sources: ${lineOf(error)}`, {
      cause: error,
    });
  });
  return stdout.split('\n').flatMap((line) => {
    const [origin, uri, release, component] = line.split(' ');
    const isDebian = origin === 'Debian' && uri && release && component;
    return isDebian ? [{ uri, release, component }] : [];
  });
}
