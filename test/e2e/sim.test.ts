/** `pnpm sim` in small: what the registry promises holds, and a seed replays to the letter. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const main = fileURLToPath(new URL('../sim/main.ts', import.meta.url));

type Figures = Record<string, number>;

async function simulate(scenario: string, seed: number, nodes = 100): Promise<string> {
  const args = [main, scenario, '--nodes', String(nodes), '--seed', String(seed)];
  const { exitCode, stdout } = await execa(process.execPath, args, { reject: false });
  assert.equal(exitCode, 0, stdout);
  return stdout.split('\n').at(-1) ?? '';
}

describe('sim', () => {
  it('loses no lookup and no read with 30 % of the nodes killed or hung', async () => {
    const { figures } = JSON.parse(await simulate('lookup', 1, 1000)) as {
      figures: Record<'healthy' | 'killed10' | 'killed30' | 'hung30', Figures>;
    };
    for (const blow of ['healthy', 'killed10', 'killed30', 'hung30'] as const) {
      const { lookups, reads, lookupsLost, readsLost } = figures[blow];
      assert.ok(Number(lookups) > 0 && Number(reads) > 0);
      assert.deepEqual([lookupsLost, readsLost], [0, 0], blow);
    }
    // The blow was dealt: the healthy network had all that the others lost.
    assert.equal(figures.healthy['replicasLost'], 0);
    assert.ok(Number(figures.killed30['replicasLost']) > 0);
  });

  it('loses no record under churn, and answers with none that is older than acknowledged', async () => {
    const { figures } = JSON.parse(await simulate('churn', 1)) as { figures: Figures };
    assert.equal(figures['promisesBroken'], 0);
    assert.ok(Number(figures['nodesLeft']) >= 100, 'nearly all nodes were replaced');
    assert.ok(Number(figures['versionsPublished']) > 0 && Number(figures['reads']) > 0);
    assert.ok(Number(figures['holdersMin']) >= 1);
  });

  it('deletes versions, but none that is in use; and again the same from the same seed', async () => {
    const first = await simulate('gc', 1);
    const { figures } = JSON.parse(first) as { figures: Figures };
    assert.equal(figures['promisesBroken'], 0);
    assert.ok(Number(figures['deleted']) > 0 && Number(figures['mounts']) > 0);
    assert.ok(Number(figures['splits']) > 0 && Number(figures['hangs']) > 0);
    assert.equal(await simulate('gc', 1), first);
    assert.notEqual(await simulate('gc', 2), first);
  });

  it('lists its scenarios, and knows no other', async () => {
    const { stdout } = await execa(process.execPath, [main]);
    assert.deepEqual(
      stdout.split('\n').map((line) => line.split(' ')[0]),
      ['lookup', 'churn', 'gc', 'sharers'],
    );
    const { exitCode, stderr } = await execa(process.execPath, [main, 'nosuch'], { reject: false });
    assert.equal(exitCode, 2);
    assert.match(stderr, /no scenario is named 'nosuch'/);
  });
});
