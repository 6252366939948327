import { execa } from 'execa';

/** A part of a Debian archive, as apt is told of it. */
export interface DebianSource {
  readonly uri: string;
  /** `bookworm`, `bookworm-security` ... */
  readonly release: string;
  readonly component: string;
}

/** Debian's own among the sources of this machine. */
export async function debianSources(): Promise<DebianSource[]> {
  const format = '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await execa('apt-get', [
    'indextargets',
    '--format',
    format,
    'Created-By: Packages',
  ]);
  const sources = [...new Set(stdout.split('\n'))].flatMap((line) => {
    const [origin, uri = '', release = '', component = ''] = line.split(' ');
    return origin === 'Debian' ? [{ uri, release, component }] : [];
  });
  if (sources.length === 0) throw new Error('apt has no Debian sources here; run apt-get update');
  return sources;
}
