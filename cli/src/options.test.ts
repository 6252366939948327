import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidArgumentError } from 'commander';
import { parseDuration } from './options.ts';

describe('duration', () => {
  it('is a number and a unit', () => {
    assert.equal(parseDuration('90s'), 90);
    assert.equal(parseDuration('30d'), 30 * 86_400);
  });

  it('is refused without a unit, and when no number can hold its seconds', () => {
    for (const text of ['90', '-1s', '1.5h', '99999999999999d', `${'9'.repeat(400)}s`]) {
      assert.throws(() => parseDuration(text), InvalidArgumentError);
    }
  });
});
