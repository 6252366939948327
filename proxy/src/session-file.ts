import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageServer, PublishedFile } from './locator.ts';
import { messageOf, ProxyError } from './proxy-error.ts';
import { replaceFile } from './store/replace-file.ts';

/** What a proxy remembers of its last run. */
export interface SessionRecord {
  /** True from start to clean end: still true at the next start after a crash. */
  readonly running: boolean;
  readonly appliance?: string | undefined;
  readonly version?: string | undefined;
  /** Of the manifest of a verified image, in hex. */
  readonly digest?: string | undefined;
  /** Of that manifest, where it was signed. */
  readonly manifestBytes?: number | undefined;
  readonly bootProfile?: PublishedFile | undefined;
  /** Name of the shadow that was used. */
  readonly shadow: string;
  /** Who served the version, the last time that the locator knew. */
  readonly servers: readonly ImageServer[];
  /** When the locator said so, as an ISO 8601 time. */
  readonly locatedAt: string;
}

const FORMAT = 1;

/** The session's record on disk: a small JSON file, replaced as a whole. */
export class SessionFile {
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, 'session.json');
  }

  /** @throws ProxyError STATE_UNUSABLE for a file that is there and is not one of these. */
  async read(): Promise<SessionRecord | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw this.#unusable(error);
    }
    try {
      const record = JSON.parse(text) as SessionRecord & { format: unknown };
      if (record.format !== FORMAT || !Array.isArray(record.servers))
        throw new Error('it is of an unknown format');
      return record;
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  /** Durable when it resolves; a crash leaves the old record or the new one. */
  async write(record: SessionRecord): Promise<void> {
    try {
      await replaceFile(this.#path, `${JSON.stringify({ format: FORMAT, ...record }, null, 2)}\n`);
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  #unusable(cause: unknown): ProxyError {
    return new ProxyError('STATE_UNUSABLE', `cannot use ${this.#path}: ${messageOf(cause)}`, {
      cause,
    });
  }
}
