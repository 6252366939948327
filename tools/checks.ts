import { spawn } from 'node:child_process';

/** One check of the whole tree by another tool: its name, and the command line that is run. */
export interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** The static checks, cheapest first. */
export const staticChecks: readonly Check[] = [
  {
    name: 'formatting',
    command: [
      'prettier',
      '--check',
      '--log-level=warn',
      '--cache',
      '--cache-location=.cache/prettier',
      '.',
    ],
  },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'lint', command: ['eslint', '--cache', '--cache-location=.cache/eslint', '.'] },
];

/** Runs a check with its output shown; resolves to whether it passed. */
export function runCheck({ name, command: [program, ...args] }: Check): Promise<boolean> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name} (${seconds} s)\n`);
      resolve(code === 0);
    });
  });
}
