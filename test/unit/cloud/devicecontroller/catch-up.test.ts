/** A replica that is behind what an edge was told elsewhere. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CATCH_UP_MS, caughtUp } from '#cloud/devicecontroller/catch-up.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

function rig(told: unknown) {
  const clock = new FakeClock();
  const link = new AbortController();
  let seen = 10;
  let answer: boolean | undefined;
  void caughtUp({ clock, signal: link.signal, told, seen: () => seen }).then((goesOn) => (answer = goesOn));
  return { clock, link, see: (version: number) => (seen = version), answer: () => answer };
}

for (const told of [undefined, 'x', 9, 10]) {
  test(`answers at once when the edge was told ${String(told)}`, async () => {
    const { clock, answer } = rig(told);
    await clock.settle();
    assert.is(answer(), true);
    assert.is(clock.pending, 0);
  });
}

test('waits until it has seen as much', async () => {
  const { clock, see, answer } = rig(12);
  await clock.advance(100);
  see(11);
  await clock.advance(100);
  assert.is(answer(), undefined);
  see(12);
  await clock.advance(100);
  assert.is(answer(), true);
});

test('goes on after five seconds, since an API may have been put back to an older state', async () => {
  const { clock, answer } = rig(12);
  await clock.advance(CATCH_UP_MS - 100);
  assert.is(answer(), undefined);
  await clock.advance(200);
  assert.is(answer(), true);
});

test('a link that ends meanwhile is told nothing', async () => {
  const { clock, link, answer } = rig(12);
  await clock.advance(100);
  link.abort();
  await clock.settle();
  assert.is(answer(), false);
  assert.is(clock.pending, 0);
});

test.run();
