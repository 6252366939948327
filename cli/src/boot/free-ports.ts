import { once } from 'node:events';
import { createServer } from 'node:net';
import { CliError, codeOf } from '../errors.ts';

/** A TCP port that is going to be listened on, and what to do when it is not free. */
export interface WantedPort {
  readonly port: number;
  readonly purpose: string;
  readonly remedy: string;
}

/**
 * Sees that ports are free before anything is started that would have to be stopped again.
 *
 * @throws CliError PORT_IN_USE
 */
export async function checkPorts(host: string, wanted: readonly WantedPort[]): Promise<void> {
  for (const [index, { port, purpose, remedy }] of wanted.entries()) {
    const other = wanted.slice(0, index).find((before) => before.port === port);
    if (other !== undefined)
      throw new CliError(
        'PORT_IN_USE',
        `port ${port} is wanted for ${other.purpose}, and for ${purpose}: ${remedy}`,
      );
    const server = createServer();
    try {
      server.listen({ host, port });
      await once(server, 'listening');
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
      throw new CliError(
        'PORT_IN_USE',
        `port ${port} of ${host}, for ${purpose}, is in use by another program: ${remedy}`,
        { cause: error },
      );
    } finally {
      server.close();
    }
  }
}
