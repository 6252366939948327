import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, type Image, openImage } from '@rowfs/image';
import { type Nfs3Service, stack } from '@rowfs/nfs3';
import { describeNfs3Conformance, populateSample, type Subject } from '@rowfs/nfs3-conformance';
import { redirectOnWrite } from '../row/layer.ts';
import { openShadow, type Shadow } from '../shadow/shadow.ts';
import { directoryContents } from '../test-support/directory-contents.ts';
import { type ImageView, imageView } from './image-view.ts';

/** The sample tree in a directory, and the image of it. */
async function sampleImage(): Promise<{ root: string; tree: string; image: Image }> {
  const root = await mkdtemp(join(tmpdir(), 'rowfs-image-view-'));
  const tree = join(root, 'tree');
  await mkdir(tree);
  await populateSample(tree);
  const { image } = await buildImage(tree);
  return { root, tree, image };
}

/** The view of a manifest that was read anew, as after a restart. */
function viewOf({ image, tree }: { image: Image; tree: string }): ImageView {
  const opened = openImage(Buffer.from(image.bytes), { digest: image.digest });
  return imageView(opened, directoryContents(opened, tree));
}

async function imageSubject(): Promise<Subject> {
  const sample = await sampleImage();
  return {
    service: viewOf(sample),
    mountPath: '/',
    restart: async () => viewOf(sample),
    close: () => rm(sample.root, { recursive: true }),
  };
}

async function overlaySubject(): Promise<Subject> {
  const sample = await sampleImage();
  const open = async (): Promise<{ shadow: Shadow; service: Nfs3Service }> => {
    const directory = join(sample.root, 'shadow');
    const shadow = await openShadow({ directory, belongsTo: { appliance: 'sample' } });
    const view = viewOf(sample);
    return { shadow, service: stack(view, redirectOnWrite(shadow, { tree: view.tree })) };
  };
  let overlaid = await open();
  return {
    service: overlaid.service,
    mountPath: '/',
    async restart() {
      await overlaid.shadow.close();
      overlaid = await open();
      return overlaid.service;
    },
    async close() {
      await overlaid.shadow.close();
      await rm(sample.root, { recursive: true });
    },
  };
}

describeNfs3Conformance('the view of an image', imageSubject, {
  writable: false,
  restartable: true,
});

describeNfs3Conformance('redirect-on-write over the view of an image', overlaySubject, {
  writable: true,
  restartable: true,
});
