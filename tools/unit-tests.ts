import { globSync } from 'node:fs';

/** The tests beside the sources, those of the structure, and those of what tests are made of. */
export function unitTestFiles(): string[] {
  return globSync([
    'packages/*/src/**/*.test.ts',
    '{registry,proxy,boot,cli}/src/**/*.test.ts',
    'test/{architecture,support,crash,model,workloads}/**/*.test.ts',
  ]).sort();
}
