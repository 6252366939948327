import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { RegistryLinks } from './registry-links.ts';

const links = new RegistryLinks(process.pid);
const sockets: Socket[] = [];
let server: Server;
let node: Awaited<ReturnType<RegistryLinks['addNode']>>;

before(async () => {
  node = await links.addNode();
  server = createServer((socket) => socket.pipe(socket));
  server.listen(portOf(node.listen), node.address);
  await once(server, 'listening');
});

after(async () => {
  for (const socket of sockets) socket.destroy();
  await links.close();
  server.close();
});

function portOf(multiaddr: string): number {
  return Number(multiaddr.split('/').at(-1));
}

async function dial(from: string): Promise<Socket> {
  const to = { host: node.address, port: portOf(node.announce), localAddress: from };
  const socket = connect(to);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** Whether what is said to the node comes back within a while. */
async function echoes(socket: Socket): Promise<boolean> {
  const heard = once(socket, 'data').then(() => true);
  socket.write('x');
  const silence = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300));
  return Promise.race([heard, silence]);
}

test('the two sides of a partition do not hear each other, old and new connections alike', async () => {
  const [here, there] = [links.addClient(), links.addClient()];
  const [near, far] = [await dial(here.address), await dial(there.address)];
  assert.deepEqual(await Promise.all([echoes(near), echoes(far)]), [true, true]);

  links.partition([node, here]);
  const late = await dial(there.address);
  assert.deepEqual(await Promise.all([near, far, late].map(echoes)), [true, false, false]);

  const held = [once(far, 'data'), once(late, 'data')];
  links.heal();
  // What was held is delivered.
  await Promise.all(held);
  assert.deepEqual(await Promise.all([near, far, late].map(echoes)), [true, true, true]);
});
