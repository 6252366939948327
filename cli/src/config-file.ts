import { readFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { parse as parseYaml } from 'yaml';
import { CliError, lineOf } from './errors.ts';
import { commandPath, flagValue, parseOptionValue } from './options.ts';

type Scalar = string | number | boolean;
type Value = Scalar | Scalar[];

/** Options of every command by their long name; an object below a command's name holds its own. */
export interface ConfigFile {
  readonly [name: string]: Value | ConfigFile;
}

/**
 * Reads a YAML config file. A file that is not there counts as empty when nobody asked for it.
 *
 * @throws CliError BAD_CONFIG, naming the file and what is wrong in it.
 */
export function readConfigFile(path: string, asked: boolean): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!asked) return {};
    throw new CliError('BAD_CONFIG', `cannot read the config file: ${lineOf(error)}`);
  }
  try {
    const config: unknown = parseYaml(text, { logLevel: 'error' }) ?? {};
    if (isConfig(config)) return config;
  } catch (error) {
    throw new CliError('BAD_CONFIG', `${path}: ${lineOf(error)}`);
  }
  throw new CliError(
    'BAD_CONFIG',
    `${path}: expected options and their values: texts, numbers, true, false, or lists of them`,
  );
}

function isConfig(config: unknown): config is ConfigFile {
  return (
    typeof config === 'object' &&
    config !== null &&
    !Array.isArray(config) &&
    Object.values(config).every((entry) => isValue(entry) || isConfig(entry))
  );
}

function isValue(entry: unknown): entry is Value {
  return isScalar(entry) || (Array.isArray(entry) && entry.every(isScalar));
}

function isScalar(entry: unknown): entry is Scalar {
  return ['string', 'number', 'boolean'].includes(typeof entry);
}

/**
 * Gives `command` what the config file says of its options, where neither a flag nor an environment
 * variable did. Precedence: flag, environment, config file, default.
 *
 * @throws CliError BAD_CONFIG for a name that is neither an option nor a command.
 */
export function applyConfigFile(
  program: Command,
  command: Command,
  path: string,
  asked: boolean,
): void {
  applySection(program, command, readConfigFile(path, asked), path);
}

function applySection(owner: Command, command: Command, config: ConfigFile, path: string): void {
  for (const [name, entry] of Object.entries(config)) {
    const section = owner.commands.find((each) => each.name() === name);
    if (section === undefined) {
      if (isSection(entry)) throw noOption(command, name, path);
      applyValue(command, name, entry, path);
    } else if (!isSection(entry)) {
      throw new CliError('BAD_CONFIG', `${path}: '${name}' is a command; put its options below it`);
    } else if (section === command || isWithin(section, command)) {
      applySection(section, command, entry, path);
    }
  }
}

function isSection(entry: Value | ConfigFile): entry is ConfigFile {
  return typeof entry === 'object' && !Array.isArray(entry);
}

/** Whether `command` is one of the commands below `outer`, such as `build` below `image`. */
function isWithin(outer: Command, command: Command): boolean {
  return command.parent !== null && (command.parent === outer || isWithin(outer, command.parent));
}

function applyValue(command: Command, name: string, entry: Value, path: string): void {
  const option = command.options.find((each) => each.long === `--${name}`);
  if (option === undefined) throw noOption(command, name, path);
  const source = command.getOptionValueSource(option.attributeName());
  if (source !== undefined && source !== 'default') return;
  command.setOptionValueWithSource(option.attributeName(), parsed(option, entry, path), 'config');
}

function noOption(command: Command, name: string, path: string): CliError {
  return new CliError(
    'BAD_CONFIG',
    `${path}: '${name}' is no option of '${commandPath(command).join(' ')}'`,
  );
}

function parsed(option: Option, entry: Value, path: string): unknown {
  // A flag, or an option that is also meant without a value.
  if (typeof entry === 'boolean' && !option.required) return flagValue(option, entry);
  try {
    return parseOptionValue(option, [entry].flat().map(String));
  } catch (error) {
    throw new CliError('BAD_CONFIG', `${path}: '${option.long ?? ''}': ${lineOf(error)}`);
  }
}
