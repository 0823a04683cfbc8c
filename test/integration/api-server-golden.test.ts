/**
 * Plays the steps recorded from a real kube-apiserver 1.20 against the embedded one: level 1 (status, kind, reason, event types) for every
 * file, level 2 (bodies) for devices, configmaps and their watches. Differences on purpose are rows of docs/compatibility.md.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { playRecorded, type Difference } from '../support/recorded-api/player.ts';

const page = path.join(import.meta.dirname, '../../docs/compatibility.md');

/** `file/step` -> level, from the rows ``| `file/step` | level | … |``. */
function listedDifferences(file: string): Map<string, number> {
  const rows = readFileSync(page, 'utf8').matchAll(/^\| `([a-z]+\/[a-z0-9-]+)` \| ([12]) \| \S.* \|$/gm);
  return new Map(
    [...rows].map(([, step = '', level]): [string, number] => [step, Number(level)]).filter(([step]) => step.startsWith(`${file}/`)),
  );
}

async function check(file: string): Promise<void> {
  const { steps, bodies, differences } = await playRecorded(file);
  const byLevel = (level: number): Difference[] => differences.filter((each) => each.level === level);
  const same = steps - byLevel(1).length;
  const sameBodies = bodies === 0 ? '' : `, ${bodies - byLevel(2).length} of ${bodies} bodies`;
  process.stdout.write(`${file}: ${same} of ${steps} recorded steps answered the same${sameBodies}\n`);
  const listed = listedDifferences(file);
  const surprises = differences
    .filter(({ step, level }) => listed.get(step) !== level)
    .map(({ step, level, text }) => `${step} (level ${level}): ${text}`);
  assert.ok(surprises.length === 0, `not listed in docs/compatibility.md:\n${surprises.join('\n')}`);
  const settled = [...listed.keys()].filter((step) => differences.every((each) => each.step !== step));
  assert.equal(settled, [], 'rows of docs/compatibility.md that are no differences any more');
}

test('devices are served as recorded, with the definitions of KubeEdge v1.9.1', () => check('devices'));
test('nodes are served as recorded', () => check('nodes'));
test('configmaps are served as recorded', () => check('configmaps'));
test('definitions are served as recorded', () => check('crds'));
test('discovery is served as recorded', () => check('discovery'));
test('watches are served as recorded', () => check('watch'));

test.run();
