/** What the documents name exists: links, paths, scripts, commands, options. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { createProgram } from '../../cli/src/run.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const documents = globSync(
  ['*.md', 'docs/**/*.md', '{registry,proxy,boot,cli}/*.md', 'packages/*/*.md'],
  { cwd: repository },
).map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }));

/** All that stands in backticks or in a fenced block. */
function codeOf(text: string): string[] {
  const fenced = /^```.*\n(?<code>[\s\S]*?)^```/gm;
  const inline = /`(?<code>[^`\n]+)`/g;
  const blocks = [...text.matchAll(fenced)].flatMap((match) => match[1]?.split('\n') ?? []);
  return [
    ...blocks,
    ...[...text.replaceAll(fenced, '').matchAll(inline)].map((match) => match[1] ?? ''),
  ];
}

const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
/** What pnpm does by itself, and the command of the workspace. */
const pnpmOwn = ['install', 'rowfs'];

/** Where one command line ends and the next, or a comment, begins. */
const SEPARATOR = /\s(?:;|&&|\||#|->)\s|\s{3,}/;

describe('the documents', () => {
  it('are found', () => {
    assert.ok(documents.some(({ path }) => path === 'README.md'));
    assert.ok(documents.some(({ path }) => path === join('docs', 'cli.md')));
  });

  for (const { path, text } of documents) {
    it(`${path}: relative links lead somewhere`, () => {
      for (const [, target = ''] of text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)) {
        assert.ok(existsSync(join(repository, dirname(path), target)), target);
      }
    });

    it(`${path}: paths of the repository exist`, () => {
      for (const [code] of codeOf(text).flatMap((line) => [
        ...line.matchAll(
          /(?<![\w/.@:-])(?:packages|registry|proxy|boot|cli|test|tools|docs)\/[\w./-]*\w/g,
        ),
      ])) {
        assert.ok(existsSync(join(repository, code)), code);
      }
    });

    it(`${path}: scripts exist`, () => {
      for (const [, name = ''] of codeOf(text)
        .join('\n')
        .matchAll(/\b(?:pnpm|npm run) ([a-z][\w:-]*)/g)) {
        assert.ok(name in scripts || pnpmOwn.includes(name), name);
      }
    });

    it(`${path}: commands and options exist`, async () => {
      for (const line of codeOf(text).flatMap((code) => code.split(SEPARATOR))) {
        const words = /\browfs ([a-z].*)/.exec(line)?.[1]?.split(/\s+/);
        if (words === undefined) continue;
        const command = commandOf(await createProgram(), words);
        assert.ok(command !== undefined, line);
        for (const [option] of words.join(' ').matchAll(/--[a-z][a-z-]*/g)) {
          assert.ok(optionsOf(command).includes(option), `${option} in ${line}`);
        }
      }
    });
  }
});

/** The command that the words name: `image build` is below `image`. */
function commandOf(program: Command, [name, ...others]: readonly string[]): Command | undefined {
  const command = program.commands.find((each) => each.name() === name);
  if (command === undefined || command.commands.length === 0) return command;
  return commandOf(command, others) ?? command;
}

function optionsOf(command: Command): string[] {
  return [...command.options.map((option) => option.long ?? ''), '--help'];
}
