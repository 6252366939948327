import type { Parser } from '../parser.ts';
import { address } from './address.ts';
import { bootProfile } from './boot-profile.ts';
import { config } from './config.ts';
import { image } from './image.ts';
import { mount } from './mount.ts';
import { nfs3Args, nfs3Results } from './nfs3.ts';
import { portmap } from './portmap.ts';
import { recordMarking } from './record-marking.ts';
import { registryProtocol } from './registry-protocol.ts';
import { registryRecords } from './registry-records.ts';
import { rpcMessage } from './rpc-message.ts';

export const parsers: readonly Parser[] = [
  recordMarking,
  rpcMessage,
  nfs3Args,
  nfs3Results,
  mount,
  portmap,
  registryRecords,
  registryProtocol,
  address,
  config,
  image,
  bootProfile,
];

export function parserNamed(name: string): Parser | undefined {
  return parsers.find((parser) => parser.name === name);
}
