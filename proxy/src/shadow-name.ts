/** Without a version there is one tree, and one shadow over it. */
const UNVERSIONED = 'default';
/** No version's name has it: encodeURIComponent would have escaped the character. */
const EPHEMERAL = '@ephemeral';

/** The directory name of a version's shadow; no name of a version can leave the directory of shadows. */
export function shadowNameOf(version: string | undefined, ephemeral: boolean): string {
  const name = encodeURIComponent(version ?? UNVERSIONED).replace(/^\./, '%2E');
  return ephemeral ? name + EPHEMERAL : name;
}

/** Whether a shadow goes with the clean end of its run. */
export function isEphemeral(shadow: string): boolean {
  return shadow.endsWith(EPHEMERAL);
}
