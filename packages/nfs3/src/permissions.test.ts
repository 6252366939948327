import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Credential } from '@rowfs/oncrpc';
import { checkAccess, mayRead, mayUnlink, mayWrite } from './permissions.ts';
import { Access3, Ftype3 } from './types.ts';

const { READ, LOOKUP, MODIFY, EXTEND, DELETE, EXECUTE } = Access3;
const ALL = 0x3f;

function caller(uid: number, gid: number, gids: readonly number[] = []): Credential {
  return { flavor: 'sys', stamp: 0, machinename: '', uid, gid, gids };
}

function object(type: Ftype3, mode: number) {
  return { type, mode, uid: 1, gid: 10 };
}

const owner = caller(1, 99);
const member = caller(2, 99, [10]);
const other = caller(3, 99);
const root = caller(0, 0);

describe('checkAccess', () => {
  it('takes the bits of the first class that fits, not the best of all', () => {
    const odd = object(Ftype3.REG, 0o047);
    assert.equal(checkAccess(odd, owner, ALL), 0);
    assert.equal(checkAccess(odd, member, ALL), READ);
    assert.equal(checkAccess(odd, other, ALL), READ | MODIFY | EXTEND | EXECUTE);
  });

  it('knows the main group and the others', () => {
    const file = object(Ftype3.REG, 0o040);
    assert.equal(checkAccess(file, caller(5, 10), ALL), READ);
    assert.equal(checkAccess(file, caller(5, 9, [8, 10]), ALL), READ);
  });

  it('wants write and execute for changing the entries of a directory', () => {
    const changing = MODIFY | EXTEND | DELETE;
    assert.equal(checkAccess(object(Ftype3.DIR, 0o200), owner, ALL), 0);
    assert.equal(checkAccess(object(Ftype3.DIR, 0o300), owner, ALL), changing | LOOKUP);
    assert.equal(checkAccess(object(Ftype3.DIR, 0o400), owner, ALL), READ);
    assert.equal(checkAccess(object(Ftype3.DIR, 0o100), owner, ALL), LOOKUP);
  });

  it('grants root everything but the execution of what nobody may execute', () => {
    assert.equal(checkAccess(object(Ftype3.REG, 0), root, ALL), READ | MODIFY | EXTEND);
    assert.equal(checkAccess(object(Ftype3.REG, 0o001), root, EXECUTE), EXECUTE);
    assert.equal(
      checkAccess(object(Ftype3.DIR, 0), root, ALL),
      READ | LOOKUP | MODIFY | EXTEND | DELETE,
    );
  });

  it('knows a caller without AUTH_SYS as nobody', () => {
    assert.equal(checkAccess(object(Ftype3.REG, 0o664), { flavor: 'none' }, ALL), READ);
  });
});

describe('what is allowed whatever the mode', () => {
  it('the owner reads and writes, and programs are read by who may run them', () => {
    assert.equal(mayRead(object(Ftype3.REG, 0), owner), true);
    assert.equal(mayWrite(object(Ftype3.REG, 0o444), owner), true);
    assert.equal(mayRead(object(Ftype3.REG, 0o711), other), true);
    assert.equal(mayRead(object(Ftype3.REG, 0o600), other), false);
    assert.equal(mayWrite(object(Ftype3.REG, 0o644), other), false);
  });
});

describe('mayUnlink', () => {
  const entry = { mode: 0o644, uid: 2, gid: 2 };

  it('wants write permission on the directory, none on the entry', () => {
    assert.equal(mayUnlink(object(Ftype3.DIR, 0o755), entry, other), false);
    assert.equal(mayUnlink(object(Ftype3.DIR, 0o777), entry, other), true);
  });

  it('in a sticky directory is for the owner of either, and for root', () => {
    const sticky = object(Ftype3.DIR, 0o1777);
    assert.equal(mayUnlink(sticky, entry, other), false);
    assert.equal(mayUnlink(sticky, entry, owner), true);
    assert.equal(mayUnlink(sticky, entry, caller(2, 2)), true);
    assert.equal(mayUnlink(sticky, entry, root), true);
  });
});
