import {
  formatApplianceId,
  formatServerAddress,
  parseApplianceId,
  parseServerAddress,
  RegistryError,
} from '@rowfs/registry';
import { InvalidArgumentError } from 'commander';
import { parseDuration, parseHostPort, wholeNumber } from '../../../cli/src/options.ts';
import { mustEqual, mustHold, type Parser, unlessRefused } from '../parser.ts';
import { appliance } from './registry-samples.ts';

const texts = [
  '10.0.0.5:/srv/debian',
  'nfs.example.org:2049:/srv/debian',
  '[2001:db8::1]:2049,20048:/srv/a:b',
  appliance,
  '127.0.0.1:4711',
  '[::1]:0',
  '90s',
  '30d',
  '99999999999999d',
  '17',
];

/** What people and other nodes write as text; an input is UTF-8. */
export const address: Parser = {
  name: 'address',
  description: 'server addresses, appliance ids, host:port, durations and numbers',
  seeds: () => texts.map((text) => Buffer.from(text)),
  run(input) {
    const text = Buffer.from(input).toString('utf8');
    checkInverse(text, parseServerAddress, formatServerAddress);
    checkInverse(text, parseApplianceId, formatApplianceId);
    const hostPort = unlessRefused([InvalidArgumentError], () => parseHostPort(text));
    mustHold((hostPort?.port ?? 0) <= 65_535, 'a port is a port');
    const numbers = [parseDuration, wholeNumber(0)].map((parse) =>
      unlessRefused([InvalidArgumentError], () => parse(text)),
    );
    mustHold(
      numbers.every((number) => number === undefined || Number.isSafeInteger(number)),
      'a number is a safe integer',
    );
  },
};

function checkInverse<T>(
  text: string,
  parse: (text: string) => T,
  format: (value: T) => string,
): void {
  const value = unlessRefused([RegistryError], () => parse(text));
  if (value !== undefined) mustEqual(parse(format(value)), value, 'what is formatted parses alike');
}
