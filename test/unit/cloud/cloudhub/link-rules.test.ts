/** Who may connect, when a link is dead, and what is logged of what is dropped. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '#beehive/log.ts';
import { DropLog } from '#cloud/cloudhub/drop-log.ts';
import { identify } from '#cloud/cloudhub/identity.ts';
import { causeOfDeath, type Vitals } from '#cloud/cloudhub/liveness.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const kubeedge = { node_id: 'pi', project_id: 'p', connectionuse: 'msg' };
const ours = { ...kubeedge, 'hivelet-protocol': '1', 'hivelet-store': '0d1088f6-ce5e-4d19-bead-2bc2f6b0f20e' };

for (const [what, headers, commonName, allowUnbound, expected] of [
  ['a KubeEdge edge with its own certificate', kubeedge, 'system:node:pi', false, 'pi kubeedge undefined'],
  ['one of our edges', ours, 'system:node:pi', false, `pi hivelet ${ours['hivelet-store']}`],
  ['a certificate of another node', ours, 'system:node:other', false, '403 the certificate is system:node:other, not system:node:pi'],
  ['the certificate of KubeEdge v1.9', kubeedge, 'kubeedge.io', false, '403 the certificate is kubeedge.io, not system:node:pi'],
  ['the same where the configuration allows it', kubeedge, 'kubeedge.io', true, 'pi kubeedge undefined'],
  ['a certificate without a name', kubeedge, undefined, false, '403 the certificate is without a name, not system:node:pi'],
  [
    'no node',
    { connectionuse: 'msg' },
    'system:node:pi',
    false,
    '400 header node_id is missing (proxies may drop names with an underscore)',
  ],
  ['a node that is no name', { ...ours, node_id: '../pi' }, 'system:node:../pi', true, '400 header node_id is no node name'],
  ['another use of the link', { ...ours, connectionuse: 'session' }, 'system:node:pi', false, '400 header ConnectionUse is not msg'],
  ['no use at all', { node_id: 'pi' }, 'system:node:pi', false, 'pi kubeedge undefined'],
  [
    'our protocol without a database',
    { ...kubeedge, 'hivelet-protocol': '1' },
    'system:node:pi',
    false,
    '400 header hivelet-store is not the uuid of a database',
  ],
  ['a protocol of the future', { ...ours, 'hivelet-protocol': '2' }, 'system:node:pi', false, 'pi kubeedge undefined'],
] as const) {
  test(`the upgrade request with ${what}`, () => {
    const verdict = identify({ headers, commonName }, { allowUnbound });
    const text =
      'accepted' in verdict
        ? `${verdict.accepted.node} ${verdict.accepted.peer} ${String(verdict.accepted.store)}`
        : `${verdict.status} ${verdict.refused}`;
    assert.is(text, expected);
  });
}

const alive: Vitals = {
  nowMs: 100_000,
  lastTickMs: 95_000,
  heardMs: 99_000,
  keepaliveMs: undefined,
  keepaliveLimitMs: 30_000,
  stuckSinceMs: undefined,
  writeLimitMs: 30_000,
};

for (const [what, over, expected] of [
  ['heard a second ago', {}, undefined],
  ['silent for 15 s', { heardMs: 85_000 }, 'silent for 15 s'],
  ['silent because this process was blocked', { heardMs: 60_000, lastTickMs: 60_000 }, undefined],
  ['without a keepalive for too long', { keepaliveMs: 69_999 }, 'no keepalive for 30 s'],
  ['with a keepalive just in time', { keepaliveMs: 70_000 }, undefined],
  ['that takes no byte for too long', { stuckSinceMs: 69_999 }, 'took nothing for 30 s'],
  ['that takes bytes slowly', { stuckSinceMs: 99_000 }, undefined],
] as const) {
  test(`a link ${what} ${expected === undefined ? 'lives' : 'is dead'}`, () => assert.is(causeOfDeath({ ...alive, ...over }), expected));
}

test('of what is dropped the first is logged at once, the rest as a count once a minute', async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLogger({ clock, write: ({ event, fields }) => lines.push(`${event} ${JSON.stringify(fields)}`) });
  const drops = new DropLog({ clock, log });
  for (let count = 0; count < 500; count++) drops.count('frame.malformed', 'not JSON', { node: 'pi' });
  drops.count('frame.malformed', 'no id');
  await clock.advance(60_000);
  drops.count('frame.malformed', 'not JSON', { node: 'pi' });
  assert.equal(lines, [
    'frame.malformed {"reason":"not JSON","node":"pi"}',
    'frame.malformed {"reason":"no id"}',
    'frame.malformed {"reason":"not JSON","node":"pi","more":499}',
  ]);
  assert.is(drops.total, 502);
});

test('what a peer makes up takes neither room nor log: 200 lines a minute at most, and then how many there were', async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const drops = new DropLog({
    clock,
    log: createLogger({ clock, write: ({ event, fields }) => lines.push(`${event} ${JSON.stringify(fields)}`) }),
  });
  for (let count = 0; count < 5000; count++) drops.count('x', 'pi-1', { reason: `reason ${count}` });
  assert.equal(lines, ['x {"reason":"reason 0"}']);
  for (let count = 0; count < 5000; count++) drops.count('x', `node-${count}`);
  assert.is(lines.length, 200);
  await clock.advance(60_000);
  drops.count('x', 'pi-2');
  assert.is(drops.total, 10_001);
  assert.equal(lines.slice(200), ['drops.unlogged {"count":4801}', 'x {"reason":"pi-2"}']);
});

test.run();
