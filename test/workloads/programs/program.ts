/** Programs of this directory, compiled here to run in any chroot: linked to nothing. */
import { mkdir, copyFile, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { cachedDirectory } from '../../support/cache-directory.ts';

/** Where programs are found in the tree. */
export const PROGRAMS_IN_TREE = '/srv/workloads/programs';

const COMPILE = ['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static'] as const;

/** The program made of `<name>.c`, or of all C files in the directory `<name>`; the path of it here. */
export async function compiledProgram(name: string): Promise<string> {
  const sources = await sourcesOf(name);
  const inputs = [COMPILE.join(' '), ...(await Promise.all(sources.map((file) => readFile(file))))];
  const directory = await cachedDirectory(`program-${name}`, inputs, async (empty) => {
    const [compiler, ...options] = COMPILE;
    const files = sources.filter((file) => file.endsWith('.c'));
    await execa(compiler, [...options, '-o', join(empty, name), ...files]);
  });
  return join(directory, name);
}

async function sourcesOf(name: string): Promise<readonly string[]> {
  const entries = await readdir(import.meta.dirname, { withFileTypes: true });
  const isDirectory = entries.some((entry) => entry.name === name && entry.isDirectory());
  if (!isDirectory) return [join(import.meta.dirname, `${name}.c`)];
  const directory = join(import.meta.dirname, name);
  return (await readdir(directory)).sort().map((file) => join(directory, file));
}

/** Puts the program into an image, where it runs by its path in the tree, which is returned. */
export async function installProgram(name: string, imageTree: string): Promise<string> {
  const inTree = join(PROGRAMS_IN_TREE, name);
  const here = join(imageTree, inTree);
  await mkdir(dirname(here), { recursive: true });
  await copyFile(await compiledProgram(name), here);
  return inTree;
}
