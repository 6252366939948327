import { z } from 'zod';
import { checkVersion, parseApplianceId } from '../appliance-id.ts';
import { messageOf } from '../errors.ts';

export const timeSchema = z.iso
  .datetime()
  .meta({ id: 'Time', description: 'A point in time, ISO 8601 in UTC.' });

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A number of things, or of bytes. */
export const countSchema = z.int().min(0);

export const staleSinceSchema = timeSchema.nullable().meta({
  description: 'Set when this is an older answer: the time up to which it is known to be true.',
});

export const peerIdSchema = z.string().meta({ description: 'An Ed25519 peer id of libp2p.' });

const applianceSchema = z
  .string()
  .check(judgedBy(parseApplianceId))
  .meta({ description: 'NAME@PEERID, the key of the publisher being part of the id.' });

const versionSchema = z.string().check(judgedBy(checkVersion));

export const applianceParams = z.object({ appliance: applianceSchema });
export const versionParams = z.object({ appliance: applianceSchema, version: versionSchema });

/** A check that refuses with the message of `judge`, which says best what is wrong. */
function judgedBy(judge: (text: string) => unknown): z.core.CheckFn<string> {
  return ({ value, issues }) => {
    try {
      judge(value);
    } catch (error) {
      issues.push({ code: 'custom', input: value, message: messageOf(error) });
    }
  };
}
