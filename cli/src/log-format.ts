import type { DestinationStream } from 'pino';
import { PinoPretty } from 'pino-pretty';

/** Log lines for people, on standard error. */
export function pretty(): DestinationStream {
  return PinoPretty({
    destination: 2,
    sync: true,
    ignore: 'pid,hostname',
    translateTime: 'HH:MM:ss',
  });
}
