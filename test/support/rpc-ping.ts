/**
 * Asks an ONC RPC server whether it answers, by its NULL procedure (RFC 5531 section 9 and 11). Written out
 * byte by byte, so that a fault in the project's own RPC package cannot hide here.
 */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export const NFS_PROGRAM = 100003;
export const MOUNT_PROGRAM = 100005;

const XID = 0x726f7766;
const LAST_FRAGMENT = 0x8000_0000;

/** Resolves when version 3 of `program` accepted a NULL call; throws if not within `timeoutMs`. */
export async function waitForRpcServer(
  port: number,
  program: number,
  { timeoutMs = 20_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<void> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    if (await answersNull(port, program, 1_000)) return;
    if (Date.now() >= giveUpAt) {
      throw new Error(`no answer of program ${program} on 127.0.0.1:${port} in ${timeoutMs} ms`);
    }
    await delay(50);
  }
}

/** Whether the server accepts a NULL call now. */
async function answersNull(port: number, program: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: timeoutMs });
    let reply = Buffer.alloc(0);
    const settle = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.on('connect', () => socket.write(nullCall(program)));
    socket.on('data', (bytes: Buffer) => {
      reply = Buffer.concat([reply, bytes]);
      // Record mark, xid, REPLY, MSG_ACCEPTED, empty verifier (2 words), SUCCESS.
      if (reply.length >= 28) settle(reply.readUInt32BE(4) === XID && reply.readUInt32BE(24) === 0);
    });
    for (const event of ['error', 'timeout', 'end']) socket.on(event, () => settle(false));
  });
}

function nullCall(program: number): Buffer {
  // xid, CALL, RPC version 2, program, version 3, procedure 0, AUTH_NONE credential and verifier.
  const words = [XID, 0, 2, program, 3, 0, 0, 0, 0, 0];
  const call = Buffer.alloc(4 + words.length * 4);
  call.writeUInt32BE(LAST_FRAGMENT + words.length * 4, 0);
  words.forEach((word, index) => call.writeUInt32BE(word, 4 + index * 4));
  return call;
}
