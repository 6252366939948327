import type { HostPort } from './options.ts';

/** What a person did wrong, or what the world refused: shown as one line, never as a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An error of listening on `host:port`, in words of what to do; other errors as they are. */
export function listenError(error: unknown, { host, port }: HostPort): unknown {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new CliError(
        'PORT_IN_USE',
        `${host}:${port} is in use by another program: choose another port with --listen`,
        { cause: error },
      );
    case 'EACCES':
      return new CliError(
        'PORT_REFUSED',
        `${host}:${port} may not be listened on: choose a port above 1023 with --listen, or be root`,
        { cause: error },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CliError(
        'NO_SUCH_ADDRESS',
        `${host} is no address of this machine: see --listen`,
        {
          cause: error,
        },
      );
    default:
      return error;
  }
}

/** The same of the operators' REST. */
export function restListenError(error: unknown, { host, port }: HostPort): CliError {
  return codeOf(error) === 'EADDRINUSE'
    ? new CliError(
        'PORT_IN_USE',
        `port ${port} of ${host} is in use: choose another one for the operators' REST, or 0 for any`,
        { cause: error },
      )
    : new CliError(
        'LISTEN_REFUSED',
        `operators' REST cannot listen on port ${port} of ${host}: ${lineOf(error)}`,
        { cause: error },
      );
}

/** The stable code of any error that has one. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'UNEXPECTED';
}

/** The message of any error, on one line. */
export function lineOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*\n\s*/g, '; ');
}
