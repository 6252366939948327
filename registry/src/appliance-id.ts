import { RegistryError } from './errors.ts';
import { isEd25519PeerId } from './identity.ts';

/**
 * An appliance is named by its publisher's key: `NAME@PEERID`, e.g. `debian@12D3KooW...`.
 * The id certifies itself: whoever can sign with the key in it is the publisher, nobody else.
 */
export interface ApplianceId {
  readonly name: string;
  /** The publisher's Ed25519 key as a libp2p peer id. */
  readonly publisher: string;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

/** @throws RegistryError INVALID_APPLIANCE_ID naming the part that is wrong */
export function parseApplianceId(text: string): ApplianceId {
  const at = text.indexOf('@');
  if (at === -1) {
    throw new RegistryError(
      'INVALID_APPLIANCE_ID',
      `"${text}" is not an appliance id: expected NAME@PEERID, e.g. debian@12D3KooW...`,
    );
  }
  const name = text.slice(0, at);
  const publisher = text.slice(at + 1);
  checkName(name);
  if (!isEd25519PeerId(publisher)) {
    throw new RegistryError(
      'INVALID_APPLIANCE_ID',
      `"${publisher}" in appliance id "${text}" is not an Ed25519 peer id (12D3KooW...)`,
    );
  }
  return { name, publisher };
}

/** The inverse of `parseApplianceId`; `publisher` must be a peer id already. */
export function formatApplianceId(id: ApplianceId): string {
  checkName(id.name);
  return `${id.name}@${id.publisher}`;
}

/** Whether `text` is a well-formed appliance id. */
export function isApplianceId(text: string): boolean {
  try {
    parseApplianceId(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws RegistryError INVALID_VERSION */
export function checkVersion(version: string): void {
  if (!isVersion(version)) {
    throw new RegistryError(
      'INVALID_VERSION',
      `"${version}" is not a version: 1 to 64 of letters, digits, ".", "_", "+", "-", starting with a letter or digit`,
    );
  }
}

export function isVersion(version: string): boolean {
  return VERSION.test(version);
}

function checkName(name: string): void {
  if (!NAME.test(name)) {
    throw new RegistryError(
      'INVALID_APPLIANCE_ID',
      `"${name}" is not an appliance name: 1 to 63 of a-z, 0-9, ".", "_", "-", starting with a letter or digit`,
    );
  }
}
