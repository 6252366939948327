/** One NFSv3 server and the directory it exports. */
export interface ImageServer {
  readonly host: string;
  /** TCP port of the NFS program. Default: what the server's portmapper says. */
  readonly port?: number;
  /** TCP port of the MOUNT program. Default: that of NFS, or what the server's portmapper says. */
  readonly mountPort?: number;
  /** Absolute path that MNT is called with. */
  readonly export: string;
}

/** A file that was published with a version, as the publisher signed it. */
export interface PublishedFile {
  /** In hex. */
  readonly digest: string;
  /** Its size: nothing longer is taken for it. */
  readonly bytes: number;
}

/** Which version of which appliance to run, and who serves it. */
export interface Location {
  readonly appliance?: string;
  readonly version?: string;
  /**
   * The digest of the image's manifest, in hex, as the publisher signed it: nothing that does not fit it is
   * taken from any server. Without it servers are believed.
   */
  readonly digest?: string;
  /** The size of that manifest, where the publisher signed it too. */
  readonly manifestBytes?: number;
  /** What is fetched ahead. */
  readonly bootProfile?: PublishedFile;
  /** The best first. */
  readonly servers: readonly ImageServer[];
  /** Set when this is an old answer, kept because nobody could be asked: since when it is old. */
  readonly staleSince?: Date;
}

/**
 * What the proxy asks to find image servers: a registry, a configuration file, a fixed list.
 *
 * Asked once at the start, and again, for the same version, from time to time and when servers fail.
 */
export interface Locator {
  /**
   * Finds the servers of `version`, or of the newest one when none is named.
   *
   * @throws ProxyError IMAGE_REFUSED when it must not be started; a proxy that runs goes on
   * @throws anything else when it cannot tell; the proxy then goes on with what it knew before
   */
  locate(request: { readonly version?: string }, signal: AbortSignal): Promise<Location>;
}

/** Says, for as long as it is held, that somebody uses a version. */
export interface UseLease {
  release(): Promise<void>;
}

/** Where uses of a version are announced, so that the version is not garbage-collected under them. */
export interface UseRegistry {
  /** When it rejects, the proxy runs all the same, and tries again later. */
  hold(location: Location): Promise<UseLease>;
}

/**
 * A locator that always names the same servers: ROW-FS over plain NFS exports, without a registry. With the
 * digest of an image, in hex, servers of that image.
 */
export function staticLocator(servers: readonly ImageServer[], digest?: string): Locator {
  return { locate: async () => ({ servers, ...(digest !== undefined && { digest }) }) };
}

/** `host:port:/export`, which names a server in logs and in status. */
export function serverAddress({ host, port, export: path }: ImageServer): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? `${bracketed}:${path}` : `${bracketed}:${port}:${path}`;
}
