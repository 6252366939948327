import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import envPaths from 'env-paths';

const paths = envPaths('rowfs', { suffix: '' });
const isRoot = process.geteuid?.() === 0;

/** The port of a registry node that nobody gave one. */
export const DEFAULT_REGISTRY_PORT = 4711;

/** What every command takes. */
export interface CommonOptions {
  readonly config: string;
  readonly state: string;
  readonly cache: string;
  readonly registry: readonly string[];
  readonly dialFrom?: string;
  readonly logLevel: string;
  readonly json: boolean;
}

/** An IP address, as it is. */
function parseIpAddress(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('an IP address is needed, e.g. 10.0.0.2');
  return text;
}

/** The commands of a program that do something: `image build`, but not `image`. */
export function leafCommands(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leafCommands);
}

/** The words after `rowfs` that name the command. */
export function commandPath(command: Command): string[] {
  return command.parent === null ? [] : [...commandPath(command.parent), command.name()];
}

const COMMON_OPTIONS = 'Options of every command:';

export function addCommonOptions(command: Command): void {
  const options = [
    new Option('--config <file>', 'YAML config file').default(join(paths.config, 'config.yaml')),
    new Option('--state <directory>', 'where keys, records and shadows are kept').default(
      paths.data,
    ),
    new Option(
      '--cache <directory>',
      'where manifests and blocks of images are kept, for all proxies of this machine',
    ).default(isRoot ? '/var/cache/rowfs' : paths.cache),
    new Option('--registry <multiaddr...>', 'registry nodes to start from').default([
      `/ip4/127.0.0.1/tcp/${DEFAULT_REGISTRY_PORT}`,
    ]),
    new Option(
      '--dial-from <ip>',
      'the address of this machine that connections to registry nodes leave from',
    ).argParser(parseIpAddress),
    new Option('--log-level <level>', 'what is logged on standard error')
      .choices(['silent', 'error', 'warn', 'info', 'debug'])
      .default('warn'),
    new Option('--json', 'print JSON for scripts').default(false),
  ];
  // The environment's names for a command's own options bear the command's name.
  const name = shout(commandPath(command).join('-'));
  for (const option of command.options) takeFromEnvironment(command, option, `ROWFS_${name}`);
  for (const option of options) {
    command.addOption(option.helpGroup(COMMON_OPTIONS));
    takeFromEnvironment(command, option, 'ROWFS');
  }
}

/**
 * Names the option's environment variable, after the option was added: commander would take its value
 * as one text, and an option that may be repeated takes a list there, separated by blanks.
 */
function takeFromEnvironment(command: Command, option: Option, prefix: string): void {
  const variable = `${prefix}_${shout(option.name())}`;
  option.env(variable);
  command.on(`optionEnv:${option.name()}`, () => {
    const text = process.env[variable] ?? '';
    try {
      const value = takesValue(option)
        ? parseOptionValue(option, isList(option) ? text.trim().split(/\s+/) : [text])
        : flagValue(option, parseFlag(text));
      command.setOptionValueWithSource(option.attributeName(), value, 'env');
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      command.error(`error: ${variable}='${text}': ${error.message}`);
    }
  });
}

const takesValue = (option: Option): boolean => option.required || option.optional;

/** Marks an option whose parser adds to what it parsed before: given again, it means one more. */
export class RepeatableOption<T> extends Option {
  constructor(flags: string, description: string, parseOne: (text: string) => T) {
    super(flags, description);
    this.argParser((text, previous: readonly T[] | undefined) => {
      return [...(previous ?? []), parseOne(text)];
    });
  }
}

/** What a flag that was given, or denied, means: `--no-x` that is denied says nothing about `--x`. */
export function flagValue(option: Option, isGiven: boolean): boolean | undefined {
  if (option.negate) return isGiven ? false : undefined;
  return isGiven;
}

function isList(option: Option): boolean {
  return option.variadic || option instanceof RepeatableOption;
}

function parseFlag(text: string): boolean {
  if (/^(1|true|yes)$/i.test(text)) return true;
  if (/^(0|false|no)?$/i.test(text)) return false;
  throw new InvalidArgumentError('expected true or false');
}

/** Parses as the command line would; several texts are an option given several times. */
export function parseOptionValue(option: Option, texts: readonly string[]): unknown {
  const parse: (text: string, previous: unknown) => unknown =
    option.parseArg ??
    ((text, previous) =>
      option.variadic ? [...((previous as string[] | undefined) ?? []), text] : text);
  return texts.reduce<unknown>((all, text) => parse(text, all), undefined);
}

function shout(text: string): string {
  return text.replaceAll('-', '_').toUpperCase();
}

/** Where something listens: `HOST:PORT`, `[IPV6]:PORT`. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Parses `HOST:PORT`; port 0 lets the system choose. */
export function parseHostPort(text: string): HostPort {
  const groups = /^(?:\[(?<v6>[0-9a-fA-F:]+)\]|(?<host>[^:]+)):(?<port>\d{1,5})$/.exec(
    text,
  )?.groups;
  const host = groups?.['v6'] ?? groups?.['host'];
  const port = Number(groups?.['port']);
  if (host === undefined || port > 65_535) {
    throw new InvalidArgumentError('expected HOST:PORT, e.g. 127.0.0.1:2049');
  }
  return { host, port };
}

/** An option of somewhere to listen, with its default. */
export function listenOption(flag: string, description: string, port: number): Option {
  return new Option(`${flag} <host:port>`, description)
    .argParser(parseHostPort)
    .default({ host: '127.0.0.1', port }, `127.0.0.1:${port}`);
}

/** Parses a whole number of at least `minimum`. */
export function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`expected a whole number of at least ${minimum}`);
    }
    return value;
  };
}

/** Parses a digest of 64 hex digits. */
export function parseDigest(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError('expected 64 hex digits');
  return text.toLowerCase();
}

const BYTE_UNITS = ['', 'K', 'M', 'G', 'T'];

/** Parses `4096`, `64M`, `10G` into bytes; units are powers of 1024. */
export function parseSize(text: string): number {
  const groups = /^(?<amount>\d+)(?<unit>[KMGT]?)$/.exec(text)?.groups;
  const power = BYTE_UNITS.indexOf(groups?.['unit'] ?? '');
  const bytes = Number(groups?.['amount']) * 1024 ** power;
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('expected e.g. 512M or 10G');
  return bytes;
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Parses `90s`, `10m`, `12h`, `30d` into seconds. */
export function parseDuration(text: string): number {
  const groups = /^(?<amount>\d+)(?<unit>[smhd])$/.exec(text)?.groups;
  const unit = unitSeconds[groups?.['unit'] ?? ''];
  const seconds = Number(groups?.['amount']) * (unit ?? NaN);
  if (!Number.isSafeInteger(seconds)) {
    throw new InvalidArgumentError('expected e.g. 90s, 10m, 12h or 30d');
  }
  return seconds;
}
