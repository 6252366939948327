import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { machineScript } from './ipxe-script.ts';
import { kernelCommandLine } from './kernel-command-line.ts';
import { type MacAddress, parseMacAddress } from './mac-address.ts';
import type { Machines } from './machines.ts';
import type { NetbootFiles } from './netboot-files.ts';

export interface BootServerOptions {
  readonly machines: Machines;
  readonly files: NetbootFiles;
  /** Of this server, as machines reach it: `http://10.0.0.1:8069`, and `tftp://10.0.0.1`. */
  readonly http: string;
  readonly tftp: string;
  /** For the end of the kernel's command line. */
  readonly append: string;
  readonly logger: Logger;
}

/** Taken out of the image, under the names of iPXE's script. */
const NETBOOT_FILES = ['vmlinuz', 'initrd.img'] as const;

interface OfMachine {
  readonly Params: { readonly mac: string };
}

/**
 * What machines ask by HTTP: the script that is their own, kernel and initrd, and the sign of life.
 *
 * Nobody proves who it is: as with DHCP, whoever is on the network can ask for any machine.
 */
export function bootServer(options: BootServerOptions): FastifyInstance {
  const { machines, files, logger } = options;
  const app = fastify({ forceCloseConnections: true });

  app.get<OfMachine>('/machines/:mac/boot.ipxe', async ({ params }, reply) => {
    const mac = parseMacAddress(params.mac);
    if (mac === undefined) return notFound(reply);
    try {
      const { nfs: root, image } = await machines.begin(mac);
      const { path, initramfs } = await files.of(image);
      const heartbeat = `${options.http}/machines/${mac}/heartbeat`;
      const extra = options.append;
      logger.info({ mac, image: image.key }, 'a machine boots');
      return await reply.type('text/plain').send(
        machineScript({
          ...{ http: options.http, tftp: options.tftp, path },
          commandLine: kernelCommandLine({ initramfs, root, mac, heartbeat, extra }),
        }),
      );
    } catch (error) {
      // The machine asks again.
      logger.error({ mac, reason: messageOf(error) }, 'a machine cannot be booted');
      logger.debug({ mac, err: error }, 'where that came from');
      return reply
        .code(503)
        .type('text/plain')
        .send(`${messageOf(error)}\n`);
    }
  });

  app.post<OfMachine>('/machines/:mac/heartbeat', async ({ params }, reply) => {
    const mac: MacAddress | undefined = parseMacAddress(params.mac);
    if (mac === undefined) return notFound(reply);
    machines.isUp(mac);
    return reply.code(204).send();
  });

  for (const name of NETBOOT_FILES) {
    app.get<{ Params: { readonly key: string } }>(
      `/images/:key/${name}`,
      async ({ params }, reply) => {
        const directory = files.taken(params.key);
        if (directory === undefined) return notFound(reply);
        const path = join(directory, name);
        const { size } = await stat(path);
        return reply
          .type('application/octet-stream')
          .header('content-length', size)
          .send(createReadStream(path));
      },
    );
  }
  return app;
}

function notFound(reply: FastifyReply): FastifyReply {
  return reply.code(404).type('text/plain').send('there is no such thing here\n');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
