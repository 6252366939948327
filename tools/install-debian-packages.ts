/**
 * Installs the Debian packages the end-to-end tests need and this machine lacks. Without apt or
 * root it installs nothing and says which tests will be skipped and what would enable them; under
 * CI=true that is a failure, because there nothing may be skipped.
 */
import { spawnSync } from 'node:child_process';
import {
  debianCapabilities,
  debianCapabilityNames,
  installCommand,
  whatIsLacking,
  type DebianCapabilityName,
} from './debian-packages.ts';

function capabilitiesLacking(what: 'packages' | 'root'): DebianCapabilityName[] {
  return debianCapabilityNames.filter((name) => whatIsLacking(name) === what);
}

function canInstall(): boolean {
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  return hasApt && process.getuid?.() === 0;
}

function install(names: readonly DebianCapabilityName[]): void {
  const packages = new Set(names.flatMap((name) => [...debianCapabilities[name].packages]));
  process.stdout.write(`Installing Debian packages for the tests: ${[...packages].join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Status messages only on failure: a hundred lines of dpkg would hide the test results.
  for (const args of [
    ['update', '--quiet=2'],
    ['install', '--yes', '--quiet=2', '--no-install-recommends', ...packages],
  ]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (status !== 0) {
      process.stderr.write(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`);
      return;
    }
  }
}

function report(
  missing: readonly DebianCapabilityName[],
  root: readonly DebianCapabilityName[],
): void {
  const list = (names: readonly DebianCapabilityName[]): string[] =>
    names.map((name) => `!!   ${name}: ${debianCapabilities[name].purpose}`);
  const lines = ['!! TESTS WILL BE SKIPPED.'];
  if (missing.length > 0) {
    lines.push('!! These real parts are not installed:', ...list(missing), '!! To install them:');
    lines.push(`!!   ${installCommand(missing)}`);
  }
  if (root.length > 0)
    lines.push('!! These work only for root (run the tests as root):', ...list(root));
  process.stderr.write(`\n${lines.join('\n')}\n\n`);
}

let missing = capabilitiesLacking('packages');
if (missing.length > 0 && canInstall()) {
  install(missing);
  missing = capabilitiesLacking('packages');
}
const unprivileged = capabilitiesLacking('root');
if (missing.length > 0 || unprivileged.length > 0) {
  report(missing, unprivileged);
  if (process.env['CI'] === 'true') process.exitCode = 1;
}
