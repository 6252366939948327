import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Mountstat3, type Nfs3Service } from '@rowfs/nfs3';
import { callerContext, Client } from './client.ts';
import type { Group, Subject } from './group.ts';
import { groups } from './groups/table.ts';

export interface ConformanceOptions {
  /** False: every change is answered NFS3ERR_ROFS, and that is tested. */
  readonly writable: boolean;
  /** Handles, cookies and written data survive `restart`. */
  readonly restartable: boolean;
}

function applies({ needs }: Group, { writable, restartable }: ConformanceOptions): boolean {
  switch (needs) {
    case 'nothing':
      return true;
    case 'writable':
      return writable;
    case 'read-only':
      return !writable;
    case 'restartable':
      return restartable;
    case 'writable and restartable':
      return writable && restartable;
  }
}

/** Mounts the sample tree of a subject, as root. */
async function mountSample(service: Nfs3Service, mountPath: string): Promise<Client> {
  const mounted = await service.mount(mountPath, callerContext(0, 0));
  assert.ok(mounted.status === Mountstat3.OK, `MNT ${mountPath}: status ${mounted.status}`);
  return new Client(service, mounted.handle);
}

const IN_TURN = { concurrency: 1 };

/**
 * Registers the cases of RFC 1813 with node:test: what must succeed, with what results, and what must
 * fail, with which status. Groups that a subject cannot meet are left out by `options`. Groups that
 * change nothing share a subject; each of the others gets its own.
 */
export function describeNfs3Conformance(
  name: string,
  makeSubject: () => Promise<Subject>,
  options: ConformanceOptions,
): void {
  const applicable = groups.filter((group) => applies(group, options));
  const changing = (group: Group): boolean => group.needs !== 'nothing';
  // Each subject is on its own, so they may run at the same time; the cases of one take their turns.
  void describe(`${name} conforms to RFC 1813`, { concurrency: true }, () => {
    void describe('unchanged', IN_TURN, () => {
      registerGroups(
        applicable.filter((group) => !changing(group)),
        makeSubject,
      );
    });
    for (const group of applicable.filter(changing)) {
      void describe('in a tree of its own', IN_TURN, () => registerGroups([group], makeSubject));
    }
  });
}

function registerGroups(shared: readonly Group[], makeSubject: () => Promise<Subject>): void {
  let subject: Subject | undefined;
  let client: Client | undefined;
  before(async () => {
    subject = await makeSubject();
    client = await mountSample(subject.service, subject.mountPath);
  });
  after(async () => subject?.close());
  for (const group of shared) {
    void describe(group.name, () => {
      group.register((caseName, run) => {
        void it(caseName, async () => {
          assert.ok(client !== undefined && subject !== undefined, 'the subject did not start');
          await run(client, subject);
        });
      });
    });
  }
}
