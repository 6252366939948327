import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Seconds between two signs of life. */
const EVERY_SECONDS = 10;

const SCRIPT = '/usr/lib/rowfs/heartbeat';
const UNIT = '/etc/systemd/system/rowfs-heartbeat.service';
const WANTED = '/etc/systemd/system/multi-user.target.wants/rowfs-heartbeat.service';

/** Only bash, which every Debian has: no client of HTTP need be installed. */
const scriptText = `#!/bin/bash
# Tells the boot server that this machine is up, for as long as it is.
for word in $(</proc/cmdline); do
  case $word in rowfs.heartbeat=http://*) url=\${word#*=http://} ;; esac
done
authority=\${url%%/*}
while :; do
  if exec 3<>"/dev/tcp/\${authority%:*}/\${authority##*:}"; then
    printf 'POST /%s HTTP/1.0\\r\\nHost: %s\\r\\nContent-Length: 0\\r\\n\\r\\n' "\${url#*/}" "$authority" >&3
    read -r -t 10 _ <&3
    exec 3>&-
  fi
  sleep ${EVERY_SECONDS}
done
`;

const unitText = `[Unit]
Description=Tell the boot server that this machine is up
ConditionKernelCommandLine=rowfs.heartbeat
After=systemd-user-sessions.service

[Service]
ExecStart=${SCRIPT}
Restart=always
RestartSec=${EVERY_SECONDS}

[Install]
WantedBy=multi-user.target
`;

/** Puts into a tree with systemd what tells `rowfs boot` that the machine is up. */
export async function installHeartbeat(tree: string): Promise<void> {
  for (const path of [SCRIPT, UNIT, WANTED])
    await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, SCRIPT), scriptText);
  await chmod(join(tree, SCRIPT), 0o755);
  await writeFile(join(tree, UNIT), unitText);
  // A copy of an appliance has it already.
  await rm(join(tree, WANTED), { force: true });
  await symlink(UNIT, join(tree, WANTED));
}
