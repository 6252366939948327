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
  isCapabilityPresent,
  type DebianCapabilityName,
} from './debian-packages.ts';

function missingCapabilities(): DebianCapabilityName[] {
  return debianCapabilityNames.filter((name) => !isCapabilityPresent(name));
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

function reportMissing(names: readonly DebianCapabilityName[]): void {
  const lines = names.map((name) => `  - ${name}: ${debianCapabilities[name].purpose}`);
  process.stderr.write(
    [
      '',
      '!! TESTS WILL BE SKIPPED: this machine lacks real parts they need:',
      ...lines,
      '!! To run them, type:',
      `     ${installCommand(names)}`,
      '',
      '',
    ].join('\n'),
  );
}

let missing = missingCapabilities();
if (missing.length > 0 && canInstall()) {
  install(missing);
  missing = missingCapabilities();
}
if (missing.length > 0) {
  reportMissing(missing);
  if (process.env['CI'] === 'true') process.exitCode = 1;
}
