/** Image servers that do what no image server should, over real directories and real connections. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import {
  createLocalDirectory,
  listenNfs3,
  type Nfs3Layer,
  Nfsstat3,
  type ReadResult,
  stack,
} from '@rowfs/nfs3';

export type DishonestServer = { readonly port: number; close(): Promise<void> };

type Change = (data: Buffer, offset: number) => Buffer;

/** Changes what READ brings; all it says besides follows from that. */
function reads(change: Change): Nfs3Layer {
  return (lower) => ({
    ...lower,
    async read(args, ctx): Promise<ReadResult> {
      const result = await lower.read(args, ctx);
      if (result.status !== Nfsstat3.OK || result.count === 0) return result;
      const data = change(Buffer.concat(result.data), args.offset);
      return { ...result, count: data.length, data: [data] };
    },
  });
}

function flipped(data: Buffer, at: number): Buffer {
  const changed = Buffer.from(data);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

export const dishonest = {
  'flips a random bit of each answer': reads((data) =>
    flipped(data, Math.floor(Math.random() * data.length)),
  ),
  'has lost the second half of each answer': reads((data) => data.subarray(0, data.length >> 1)),
  'swaps the halves of each answer': reads((data) =>
    Buffer.concat([data.subarray(data.length >> 1), data.subarray(0, data.length >> 1)]),
  ),
  'answers with more than was asked for': reads((data) => Buffer.concat([data, data])),
  'answers with nothing': reads(() => Buffer.alloc(0)),
} satisfies Record<string, Nfs3Layer>;

/** Answers as {@link dishonest} has it. */
export async function startDishonest(tree: string, layer: Nfs3Layer): Promise<DishonestServer> {
  const directory = await createLocalDirectory({ root: tree, access: 'read-only' });
  const listener = await listenNfs3({ service: stack(directory, layer) });
  return {
    port: listener.port,
    async close() {
      await listener.close();
      await directory.close();
    },
  };
}

/** A server of the tree that is honest but for this part of files that are longer than it. */
export function damagedAt(offset: number): Nfs3Layer {
  return reads((data, from) =>
    from <= offset && from + data.length > offset ? flipped(data, offset - from) : data,
  );
}

/** Sends bytes without end to whoever connects. */
export async function startEndless(): Promise<DishonestServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    const send = (): void => {
      if (socket.writable) socket.write(Buffer.alloc(64 * 1024), () => setImmediate(send));
    };
    socket.resume();
    send();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
