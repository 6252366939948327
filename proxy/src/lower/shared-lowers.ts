import type { Logger } from 'pino';
import { keepWithShadow } from '../published/find-image.ts';
import { openImage, type OpenImage } from './image-lower.ts';
import type { Lower, LowerOptions } from './lower.ts';
import { openPlainLower } from './plain-lower.ts';

type Holder = Pick<LowerOptions, 'onChange'>;

interface SharedImage {
  readonly open: Promise<OpenImage>;
  readonly holders: Set<Holder>;
}

/**
 * What several proxies of one process are over. Those of the same verified image share one reader of it,
 * which fetches a block once for all of them, and one set of connections to its servers. A plain export is
 * everybody's own: its lower keeps records with the shadow above it.
 *
 * Whoever opens an image first says how it is opened.
 */
export class SharedLowers {
  readonly #logger: Logger;
  readonly #images = new Map<string, SharedImage>();

  /** @param options.logger for what is of all that share an image */
  constructor({ logger }: { readonly logger: Logger }) {
    this.#logger = logger;
  }

  /**
   * Opens it, or joins those that have it open. It is closed when the last of them closes it.
   *
   * @throws ProxyError NOT_FETCHABLE, STATE_UNUSABLE; whoever comes next tries again
   */
  async open(options: LowerOptions): Promise<Lower> {
    const { digest, cacheDirectory, shadow } = options;
    if (digest === undefined) return openPlainLower(options);
    const key = JSON.stringify([digest, cacheDirectory]);
    const known = this.#images.get(key);
    const shared = known ?? this.#begin({ ...options, digest });
    const forget = (): void => {
      if (this.#images.get(key) === shared) this.#images.delete(key);
    };
    this.#images.set(key, shared);
    const holder: Holder = { onChange: options.onChange };
    shared.holders.add(holder);
    const open = await shared.open.catch((error: unknown) => {
      forget();
      throw error;
    });
    const lower = open.lower();
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      shared.holders.delete(holder);
      await lower.close();
      if (shared.holders.size > 0) return;
      forget();
      await open.close();
    };
    try {
      if (known !== undefined) await keepWithShadow(shadow, open.image, this.#logger);
    } catch (error) {
      await close();
      throw error;
    }
    return { ...lower, close: () => (closing ??= close()) };
  }

  #begin(options: LowerOptions & { readonly digest: string }): SharedImage {
    const holders = new Set<Holder>();
    const open = openImage({
      ...options,
      logger: this.#logger,
      onChange: (servers) => {
        for (const holder of holders) holder.onChange(servers);
      },
    });
    return { open, holders };
  }
}
