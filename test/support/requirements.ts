/** What a test needs of the machine, for the `skip` option of node:test. */
import {
  debianCapabilities,
  installCommand,
  isCapabilityPresent,
  type DebianCapabilityName,
} from '../../tools/debian-packages.ts';

/**
 * `false` when every capability is present, else the reason to skip the test, with the command that
 * would enable it. Under CI=true nothing may be skipped, so there a missing capability throws.
 *
 * @example test('reads a tree', { skip: requires('ganesha', 'libnfs') }, async (t) => { ... })
 */
export function requires(...names: DebianCapabilityName[]): string | false {
  const reason = missingReason(names);
  if (reason !== false && process.env['CI'] === 'true') {
    throw new Error(`CI=true allows no skipped test: ${reason}`);
  }
  return reason;
}

function missingReason(names: readonly DebianCapabilityName[]): string | false {
  const missing = names.filter((name) => !isCapabilityPresent(name));
  if (missing.length > 0) return `${missing.join(', ')} missing: ${installCommand(missing)}`;
  const privileged = names.filter((name) => debianCapabilities[name].needsRoot);
  if (privileged.length > 0 && process.getuid?.() !== 0) {
    return `${privileged.join(', ')} needs root: run the tests with sudo`;
  }
  return false;
}
