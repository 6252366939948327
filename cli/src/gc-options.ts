import { Option } from 'commander';
import { parseDuration, wholeNumber } from './options.ts';

/** How many of the newest versions a gc keeps. */
export function keepOption(flags: string): Option {
  return new Option(flags, 'keep this many of the newest versions')
    .argParser(wholeNumber(1))
    .default(2);
}

/** For how long a gc keeps what was current. */
export function graceOption(flags: string): Option {
  return new Option(flags, 'keep what was current less than this long ago')
    .argParser(parseDuration)
    .default(86_400, '1d');
}

/** How long a gc waits for a version's users to turn up. */
export function leaseOption(flags: string): Option {
  return new Option(flags, "the longest lease of your appliance's clients")
    .argParser(parseDuration)
    .default(60, '60s');
}
