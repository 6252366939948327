import { paddingOf, XdrError, XdrReader, type XdrWriter } from '@rowfs/xdr';

/** Who calls: AUTH_NONE, or AUTH_SYS with what the caller claims to be (RFC 5531 appendix A). */
export type Credential =
  | { readonly flavor: 'none' }
  | {
      readonly flavor: 'sys';
      readonly stamp: number;
      readonly machinename: string;
      readonly uid: number;
      readonly gid: number;
      readonly gids: readonly number[];
    };

const AUTH_NONE = 0;
const AUTH_SYS = 1;
/** Limits of RFC 5531 section 8.2 and appendix A. */
const MAX_BODY_BYTES = 400;
const MAX_MACHINENAME_BYTES = 255;
const MAX_GIDS = 16;

export const NO_CREDENTIAL: Credential = { flavor: 'none' };

/**
 * Reads the credential of a call (opaque_auth).
 *
 * @returns undefined for a flavor that is not supported; its body was read over.
 * @throws XdrError when the credential is not what its flavor says.
 */
export function readCredential(reader: XdrReader): Credential | undefined {
  const flavor = reader.uint32();
  const body = reader.opaque(MAX_BODY_BYTES);
  if (flavor === AUTH_NONE) return NO_CREDENTIAL;
  if (flavor === AUTH_SYS) return readAuthSys(new XdrReader(body));
  return undefined;
}

function readAuthSys(reader: XdrReader): Credential {
  const stamp = reader.uint32();
  const machinename = reader.string(MAX_MACHINENAME_BYTES);
  const uid = reader.uint32();
  const gid = reader.uint32();
  const count = reader.uint32();
  if (count > MAX_GIDS) {
    throw new XdrError('TOO_LONG', `${count} groups where AUTH_SYS has at most ${MAX_GIDS}`);
  }
  const gids: number[] = [];
  for (let i = 0; i < count; i += 1) gids.push(reader.uint32());
  reader.end();
  return { flavor: 'sys', stamp, machinename, uid, gid, gids };
}

/** Writes the credential of a call; one that breaks the limits of AUTH_SYS throws XdrError. */
export function writeCredential(writer: XdrWriter, credential: Credential): void {
  if (credential.flavor === 'none') {
    writer.uint32(AUTH_NONE);
    writer.uint32(0);
    return;
  }
  const { stamp, machinename, uid, gid, gids } = credential;
  if (machinename.length > MAX_MACHINENAME_BYTES || gids.length > MAX_GIDS) {
    throw new XdrError(
      'TOO_LONG',
      `AUTH_SYS has room for a machine name of ${MAX_MACHINENAME_BYTES} bytes and ${MAX_GIDS} groups`,
    );
  }
  writer.uint32(AUTH_SYS);
  // The body is an opaque of its own; its length is known beforehand.
  const nameBytes = machinename.length + paddingOf(machinename.length);
  writer.uint32(4 * (5 + gids.length) + nameBytes);
  writer.uint32(stamp);
  writer.string(machinename);
  writer.uint32(uid);
  writer.uint32(gid);
  writer.uint32(gids.length);
  for (const group of gids) writer.uint32(group);
}

/** Reads over a verifier: the flavors above have none to check. */
export function skipVerifier(reader: XdrReader): void {
  reader.uint32();
  reader.opaque(MAX_BODY_BYTES);
}

/** The empty verifier, AUTH_NONE. */
export function writeEmptyVerifier(writer: XdrWriter): void {
  writer.uint32(AUTH_NONE);
  writer.uint32(0);
}
