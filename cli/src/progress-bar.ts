import { SingleBar } from 'cli-progress';
import prettyBytes from 'pretty-bytes';

export interface ProgressBar {
  update(progress: { done: number; total: number | undefined }): void;
  /** Takes the bar away. */
  end(): void;
}

/** A bar of bytes on standard error, when a person sees it there. */
export function progressBar(what: string, enabled: boolean): ProgressBar {
  if (!enabled || !process.stderr.isTTY) return { update: () => undefined, end: () => undefined };
  const bar = new SingleBar({
    stream: process.stderr,
    format: `${what} {bar} {percentage} %  {value} of {total}`,
    formatValue: (value, _options, type) =>
      type === 'value' || type === 'total' ? prettyBytes(value) : String(value),
    clearOnComplete: true,
    hideCursor: true,
  });
  let started = false;
  return {
    update({ done, total }) {
      // Of an archive nobody knows how much is to come.
      const shown = Math.max(total ?? done, 1);
      if (!started) bar.start(shown, done);
      started = true;
      bar.setTotal(shown);
      bar.update(done);
    },
    end() {
      if (started) bar.stop();
    },
  };
}
