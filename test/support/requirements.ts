/** What a test needs of the machine, for the `skip` option of node:test. */
import {
  installCommand,
  whatIsLacking,
  type DebianCapabilityName,
} from '../../tools/debian-packages.ts';

/**
 * `false` when every capability is there, else the reason to skip the test, with what would enable
 * it. Under CI=true nothing may be skipped, so there a lacking capability throws.
 *
 * @example test('reads a tree', { skip: requires('ganesha', 'libnfs') }, async (t) => { ... })
 */
export function requires(...names: DebianCapabilityName[]): string | false {
  const missing = names.filter((name) => whatIsLacking(name) === 'packages');
  const unprivileged = names.filter((name) => whatIsLacking(name) === 'root');
  const reasons: string[] = [];
  if (missing.length > 0) reasons.push(`${missing.join(', ')} missing: ${installCommand(missing)}`);
  if (unprivileged.length > 0) reasons.push(`${unprivileged.join(', ')} needs root`);
  if (reasons.length === 0) return false;

  const reason = reasons.join('; ');
  if (process.env['CI'] === 'true') throw new Error(`CI=true allows no skipped test: ${reason}`);
  return reason;
}
