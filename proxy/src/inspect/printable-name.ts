import type { Filename } from '@rowfs/nfs3';

/**
 * A name, or a path, for people and for JSON: as UTF-8 where it is that, else byte by byte; control
 * characters, bytes of no UTF-8 and the backslash as `\xNN`, so that no two names look alike.
 */
export function printableName(name: Filename): string {
  const bytes = Buffer.from(name, 'latin1');
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  const unprintable = isText ? /[\p{Cc}\\]/gu : /[^ -~]|\\/g;
  return (isText ? text : name).replace(unprintable, escaped);
}

function escaped(character: string): string {
  return [...Buffer.from(character, character > '\u00ff' ? 'utf8' : 'latin1')]
    .map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
    .join('');
}
