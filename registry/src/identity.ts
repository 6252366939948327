import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { messageOf, RegistryError } from './errors.ts';

/** An Ed25519 key: who a node is on the network, or who publishes an appliance. */
export interface Identity {
  /** The public key as a libp2p peer id, `12D3KooW...`: it contains the key, so it certifies itself. */
  readonly peerId: string;
  /** The same key in the form libp2p wants for its handshake. */
  readonly privateKey: PrivateKey;
  /** A 64-byte Ed25519 signature (RFC 8032). */
  sign(message: Uint8Array): Uint8Array;
}

// DER header of a PKCS#8 Ed25519 private key (RFC 8410 section 7): the 32 bytes of the seed follow.
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An identity that is nowhere on disk: a fresh one, or always the same for the same 32-byte seed. */
export function generateIdentity(seed: Uint8Array = randomBytes(32)): Identity {
  const key = Buffer.concat([PKCS8_ED25519, seed]);
  return identityOf(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
}

/**
 * Reads the key at `path` (PKCS#8 PEM), or makes one there with mode 0600.
 *
 * @throws RegistryError KEY_PERMISSIONS when others may read it, KEY_UNREADABLE when it is no Ed25519 key
 */
export async function loadOrCreateKey(path: string): Promise<Identity> {
  const existing = await readKeyFile(path);
  if (existing !== undefined) return existing;
  try {
    await writeKeyFile(path, generateKeyPairSync('ed25519').privateKey);
  } catch (error) {
    throw new RegistryError('KEY_UNREADABLE', `cannot create key ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  // Read back what is there: another process may have won the race to create it.
  return loadKey(path);
}

/**
 * Reads the key at `path`.
 *
 * @throws RegistryError KEY_UNREADABLE when there is none, KEY_PERMISSIONS when others may read it
 */
export async function loadKey(path: string): Promise<Identity> {
  const identity = await readKeyFile(path);
  if (identity === undefined) {
    throw new RegistryError('KEY_UNREADABLE', `no key at ${path}: create one with "rowfs key"`);
  }
  return identity;
}

/** Whether `signature` over `message` was made by the key inside `peerId`. Never throws. */
export function verifySignature(
  peerId: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return verify(null, message, publicKeyOf(peerId), signature);
  } catch {
    return false;
  }
}

/** Whether `text` is the peer id of an Ed25519 key, in its canonical text form. */
export function isEd25519PeerId(text: string): boolean {
  try {
    const peerId = peerIdFromString(text);
    return peerId.type === 'Ed25519' && peerId.toString() === text;
  } catch {
    return false;
  }
}

// DER header of a SubjectPublicKeyInfo with algorithm Ed25519 (RFC 8410 section 4).
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

function publicKeyOf(peerId: string): KeyObject {
  const parsed = peerIdFromString(peerId);
  if (parsed.type !== 'Ed25519') throw new TypeError(`${peerId} is not an Ed25519 peer id`);
  return createPublicKey({
    key: Buffer.concat([SPKI_ED25519, parsed.publicKey.raw]),
    format: 'der',
    type: 'spki',
  });
}

function identityOf(key: KeyObject): Identity {
  const { d, x } = key.export({ format: 'jwk' });
  if (d === undefined || x === undefined) throw new TypeError('not an Ed25519 private key');
  const raw = Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]);
  const privateKey = privateKeyFromRaw(raw);
  if (privateKey.type !== 'Ed25519') throw new TypeError('not an Ed25519 private key');
  return {
    peerId: peerIdFromPrivateKey(privateKey).toString(),
    privateKey,
    sign: (message) => sign(null, message, key),
  };
}

async function readKeyFile(path: string): Promise<Identity | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new RegistryError('KEY_UNREADABLE', `cannot read key ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    // Checked on the open file, so that what is checked is what is read.
    const { mode, uid } = await file.stat();
    const permissions = mode & 0o777;
    if ((permissions & 0o077) !== 0) {
      throw new RegistryError(
        'KEY_PERMISSIONS',
        `key ${path} has mode 0${permissions.toString(8)}, others may read it: run "chmod 600 ${path}"`,
      );
    }
    const owner = process.getuid?.();
    if (owner !== undefined && uid !== owner) {
      throw new RegistryError(
        'KEY_PERMISSIONS',
        `key ${path} belongs to uid ${uid}, not to you (uid ${owner}): run "chown ${owner} ${path} && chmod 600 ${path}"`,
      );
    }
    return identityOf(createPrivateKey(await file.readFile()));
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw new RegistryError(
      'KEY_UNREADABLE',
      `${path} is not an Ed25519 private key in PKCS#8 PEM form: ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    await file.close();
  }
}

/** Whole and durable, or not there at all: written aside, synced, then linked to its name. */
async function writeKeyFile(path: string, key: KeyObject): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(key.export({ format: 'pem', type: 'pkcs8' }));
    await file.sync();
    // link() refuses an existing name, where rename() would replace somebody's key.
    await link(temporary, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await file.close();
    await unlink(temporary);
  }
  const parent = await open(directory, constants.O_RDONLY);
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}
