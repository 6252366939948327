/** Layers unpacked over each other by umoci, which knows nothing of us. */
import { join } from 'node:path';
import { execa } from 'execa';

/** Unpacks a directory as the lowest layer, and a layer over it. @returns the directory of the result */
export async function unpackLayer(base: string, layer: string, scratch: string): Promise<string> {
  const tar = join(scratch, 'base.tar');
  await execa('tar', ['--format=pax', '-C', base, '-cf', tar, '.']);
  const layout = join(scratch, 'layout');
  const image = `${layout}:image`;
  await execa('umoci', ['init', '--layout', layout]);
  await execa('umoci', ['new', '--image', image]);
  for (const each of [tar, layer])
    await execa('umoci', ['raw', 'add-layer', '--image', image, each]);
  const root = join(scratch, 'unpacked');
  await execa('umoci', ['raw', 'unpack', '--image', image, root]);
  return root;
}
