/** Owns the proof of which cluster the shell commands choose. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tempDir } from '#test/support/temp-dir.ts';
import { Flags } from '../../../bin/commands/command.ts';
import { kubeconfigFile } from '../../../bin/commands/twins/access.ts';

const full = tempDir();
const own = path.join(full, 'kubeconfig');
writeFileSync(own, '');
const empty = tempDir();

const cases: [what: string, flags: Record<string, string>, dataDir: string, exported: string | undefined, chosen: string | undefined][] = [
  ['nothing anywhere', {}, empty, undefined, undefined],
  ['the default data directory', {}, full, undefined, own],
  ['what the shell exports wins over the default data directory', {}, full, '/a:/b', '/a'],
  ['a named data directory wins over what the shell exports', { 'data-dir': full }, full, '/a', own],
  ['a named data directory without one', { 'data-dir': empty }, empty, '/a', '/a'],
  ['a named file wins over all', { kubeconfig: '/k', 'data-dir': full }, full, '/a', '/k'],
  ['an empty export is none', {}, empty, '', undefined],
];
for (const [what, flags, dataDir, exported, chosen] of cases) {
  test(what, () => {
    assert.is(kubeconfigFile({ flags: new Flags(new Map(Object.entries(flags))), env: { KUBECONFIG: exported }, dataDir }), chosen);
  });
}

test.run();
