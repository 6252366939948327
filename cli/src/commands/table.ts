import type { Command } from 'commander';
import { addDemoCommand } from './demo.ts';
import { addGcCommand } from './gc.ts';
import { addImageCommand } from './image/command.ts';
import { addKeyCommand } from './key.ts';
import { addLsCommand } from './ls.ts';
import { addNodeCommand } from './node.ts';
import { addProxyCommand } from './proxy.ts';
import { addPublishCommand } from './publish.ts';
import { addResolveCommand } from './resolve.ts';
import { addServeCommand } from './serve.ts';
import { addShadowCommand } from './shadow/command.ts';
import { addSharersCommand } from './sharers.ts';
import { addStatusCommand } from './status.ts';

/** Every command, in the order in which a newcomer meets them. */
export function addCommands(program: Command): void {
  addDemoCommand(program);
  addNodeCommand(program);
  addKeyCommand(program);
  addImageCommand(program);
  addServeCommand(program);
  addPublishCommand(program);
  addResolveCommand(program);
  addProxyCommand(program);
  addShadowCommand(program);
  addLsCommand(program);
  addSharersCommand(program);
  addGcCommand(program);
  addStatusCommand(program);
}
