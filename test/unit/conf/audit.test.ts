/** What the dependency audit in CI makes of what npm prints. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeAudit } from '../../../conf/build/audit.ts';

const fault = (severity: string) => ({ severity, range: '<2.0.0', via: [{ title: 'it can be read by others' }, 'another-package'] });

test('a high or critical fault fails, with its name and title', () => {
  const verdict = judgeAudit(JSON.stringify({ vulnerabilities: { left: fault('high'), right: fault('low') } }));
  assert.equal(verdict, {
    ok: false,
    lines: [
      'audit: 2 packages with known faults, 1 are high or critical',
      '  high left <2.0.0 it can be read by others',
      '  low right <2.0.0 it can be read by others',
    ],
  });
  assert.is(judgeAudit(JSON.stringify({ vulnerabilities: { left: fault('critical') } })).ok, false);
});

test('lesser faults, and none, are told and pass', () => {
  assert.is(judgeAudit(JSON.stringify({ vulnerabilities: { left: fault('moderate') } })).ok, true);
  assert.equal(judgeAudit('{"vulnerabilities":{}}'), {
    ok: true,
    lines: ['audit: 0 packages with known faults, none is high or critical'],
  });
});

test('a registry without an audit is told and passes', () => {
  const answer = JSON.stringify({ message: '405 Method Not Allowed', statusCode: 405 });
  assert.equal(judgeAudit(answer), { ok: true, lines: ['audit: not done, the registry offers none (405)'] });
  for (const none of ['', 'npm error', 'null', '5', '{}']) {
    assert.equal(judgeAudit(none), { ok: true, lines: ['audit: not done, npm printed no report'] }, none);
  }
});

test.run();
