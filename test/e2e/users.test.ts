/** Several users and groups behind the kernel's client: the same as on a local file system, and squashed. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { bootGuest, type Guest } from '../support/guest.ts';
import { guestImage } from '../support/guest-image.ts';
import { requires } from '../support/requirements.ts';
import { type ReadyProxy, startRowfs } from '../support/rowfs.ts';
import { testScope } from '../support/test-scope.ts';

/** `as UID GID,GROUP,... command`: busybox sets no further groups. */
const AS = `
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  gid_t groups[16];
  int count = 0;
  for (char *g = strtok(argv[2], ","); g != NULL; g = strtok(NULL, ",")) groups[count++] = atoi(g);
  if (setgroups(count, groups) || setgid(groups[0]) || setuid(atoi(argv[1]))) return 125;
  execvp(argv[3], argv + 3);
  return 126;
}`;

/** Who does what, one line each with how it ends and why; then what the tree looks like. */
const SCRIPT = `
cd "$1" || exit 1
mkdir shared sticky private && chmod 2775 shared && chown 0:100 shared
chmod 1777 sticky && chmod 750 private && chown 1000:100 private
umask 022
for file in shared/mine sticky/mine private/mine; do
  echo alice >$file && chown 1000:100 $file && chmod 640 $file
done
cp /bin/busybox shared/echo && chown 1000:100 shared/echo && chmod 4710 shared/echo
attempt() {
  error=$(/run/as $ids sh -c "$1" 2>&1 >/dev/null)
  echo "$ids: $1: $? $error"
}
for ids in '1000 100' '1001 100' '1002 200' '1003 200,100' '0 0'; do
  for directory in shared sticky private; do
    attempt "ls $directory"
    attempt "cat $directory/mine"
    attempt "echo more >>$directory/mine"
    attempt "touch $directory/mine"
    attempt "touch -d '2001-01-01 00:00:00' $directory/mine"
    attempt "chmod 640 $directory/mine"
    attempt "chgrp 100 $directory/mine"
    attempt "chgrp 200 $directory/mine"
    attempt "chown 1001 $directory/mine"
    attempt "mkdir $directory/new"
    attempt "mkdir $directory/new/below"
    attempt "echo x >$directory/made"
    attempt "chmod 2755 $directory/made"
    attempt "ln $directory/made $directory/linked"
    attempt "mv $directory/mine $directory/moved"
    attempt "rm -f $directory/moved"
    (cd $directory; for each in * */*; do [ -e $each ] && stat -c '%n %f %u:%g %h' $each; done)
    rm -rf $directory/new $directory/made $directory/linked
    echo alice >$directory/mine && chown 1000:100 $directory/mine && chmod 640 $directory/mine
    [ -e $directory/moved ] && rm $directory/moved
  done
  attempt "shared/echo echo hi"
  attempt "mknod sticky/null c 1 3" && rm -f sticky/null
  attempt "mkfifo sticky/fifo" && rm -f sticky/fifo
done
`;

async function compile(guest: Guest): Promise<void> {
  await guest.run(`cat >/run/as.c <<'C'\n${AS}\nC\ntcc -o /run/as /run/as.c`);
  await guest.run(`cat >/run/script <<'S'\n${SCRIPT}\nS\n`);
}

test(
  "users and groups have the rights that they have on the guest's own file system, or are squashed",
  { skip: requires('qemu', 'guest-image') },
  async (t) => {
    const scope = await testScope(t);
    const { directory } = scope;
    const image = join(directory, 'image');
    await mkdir(image);
    await writeFile(join(image, 'of-root'), 'secret', { mode: 0o600 });
    const server = scope.own(
      await startRowfs<{ port: number }>(['serve', image, '--listen', '127.0.0.1:0'], {
        directory,
        owner: 'server',
      }),
    );
    const startProxy = async (listen: string, ...options: string[]) =>
      scope.own(
        await startRowfs<ReadyProxy>(
          [
            ...['proxy', '--server', `127.0.0.1:${server.ready.port}:/`, '--listen', listen],
            ...['--rest', '127.0.0.1:0', ...options],
          ],
          { directory, owner: 'machine' },
        ),
      );
    const proxy = await startProxy('127.0.0.1:0');
    const guest = scope.own(await bootGuest({ image: await guestImage(), directory }));
    await compile(guest);
    const { port, mountPort } = proxy.ready;
    const mount = { server: { nfsPort: port, mountPort }, path: '/', mountpoint: '/mnt/tree' };
    await guest.mount(mount);

    await guest.run('mkdir /run/local /mnt/tree/users && chmod 755 /run/local /mnt/tree/users');
    const timeoutMs = 180_000;
    const local = await guest.run('sh /run/script /run/local', { timeoutMs });
    const ours = await guest.run('sh /run/script /mnt/tree/users', { timeoutMs });
    for (const refusal of ['Permission denied', 'Operation not permitted']) {
      assert.ok(local.stdout.split(refusal).length > 10, refusal);
    }
    assert.deepEqual(ours.stdout.split('\n'), local.stdout.split('\n'));

    await guest.run('mkdir -m 777 /mnt/tree/open && umount /mnt/tree');
    await proxy.stop();
    await startProxy(`127.0.0.1:${port}`, '--squash', 'root', '--anon', '4000:4001');
    await guest.mount(mount);
    const refused = await guest.tryRun('cat /mnt/tree/of-root');
    assert.match(refused.stderr, /Permission denied/);
    await guest.run('echo x >/mnt/tree/open/by-root');
    await guest.run('/run/as 1000 100 sh -c "echo x >/mnt/tree/open/by-alice"');
    const { stdout } = await guest.run('cd /mnt/tree/open && stat -c "%n %u:%g" *');
    assert.equal(stdout, 'by-alice 1000:100\nby-root 4000:4001\n');
    const given = await guest.tryRun('chown 0:0 /mnt/tree/open/by-root');
    assert.match(given.stderr, /Operation not permitted/);
  },
);
