// Runs a TypeScript file of this repository under the pinned Node, from nothing but any Node with npm:
//   node tools/bootstrap.mjs FILE.ts [ARGUMENT ...]
// Installs the locked dependencies first, unless they are in place already. Plain JavaScript, because
// the Node that starts it may not run TypeScript.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');
// Not the one in .bin: that is a shell script, and signals would end at it.
const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');
const stamp = join(root, 'node_modules', '.installed-lock');

/** Changes whenever an install would do something. */
function lockDigest() {
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'package.json'])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function isInstalled() {
  return (
    existsSync(pinnedNode) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lockDigest()
  );
}

function install() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  console.error(`rowfs: installing the locked dependencies with ${packageManager} ...`);
  const args = ['--yes', packageManager, 'install', '--frozen-lockfile'];
  // Its output goes to standard error: standard output belongs to what is run.
  const { status, error } = spawnSync('npx', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    console.error(
      `rowfs: the install failed (${error?.message ?? `exit status ${status}`}); ` +
        `run 'npx ${args.join(' ')}' to see why`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, lockDigest());
}

if (!isInstalled()) install();

const child = spawn(pinnedNode, process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
});
// A terminal's Ctrl-C reaches the child by itself; a supervisor's signal reaches only us.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (signal === 'SIGTERM' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('exit', (code, signal) => {
  process.exit(code ?? 128 + (signal ? constants.signals[signal] : 1));
});
