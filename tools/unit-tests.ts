import { globSync } from 'node:fs';

/** The tests beside the sources, and those of the structure. */
export function unitTestFiles(): string[] {
  return globSync([
    'packages/*/src/**/*.test.ts',
    '{registry,proxy,boot,cli}/src/**/*.test.ts',
    'test/{architecture,support}/**/*.test.ts',
  ]).sort();
}
