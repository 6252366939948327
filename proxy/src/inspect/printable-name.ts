import type { Filename } from '@rowfs/nfs3';

/**
 * A name, or a path, for people and for JSON: as UTF-8 where it is that, else byte by byte. Control
 * characters and bytes of no UTF-8 become `\xNN` and a backslash two, so that no two names look alike.
 */
export function printableName(name: Filename): string {
  const bytes = Buffer.from(name, 'latin1');
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  const unprintable = isText ? /[\p{Cc}\\]/gu : /[^ -~]|\\/g;
  return (isText ? text : name).replace(unprintable, (character) =>
    character === '\\'
      ? '\\\\'
      : `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}
