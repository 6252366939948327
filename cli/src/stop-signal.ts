/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP (the terminal is gone), so that a command can end
 * cleanly. A second one ends the process at once: a person who presses Ctrl-C again does not want to
 * wait.
 */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(130);
        stopping = true;
        resolve(signal);
      });
    }
  });
}
