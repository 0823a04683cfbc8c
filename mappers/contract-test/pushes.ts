/** Owns the cases about values that a device pushes; for connections that have `subscribe`. */
import { strict as assert } from 'node:assert';
import type { Connection, Reading } from '../contract.ts';
import type { Case } from './cases.ts';
import type { TestPoint } from './harness.ts';
import { eventually, type Rig } from './rig.ts';

/** What was pushed so far. */
class Pushed {
  readonly latest = new Map<string, Reading>();
  count = 0;

  readonly emit = (readings: readonly Reading[]): void => {
    for (const reading of readings) {
      this.count++;
      this.latest.set(reading.name, reading);
    }
  };

  value(name: string): unknown {
    const reading = this.latest.get(name);
    return reading !== undefined && 'value' in reading ? reading.value : undefined;
  }
}

/** Makes the value of a point another one, by the device or by writing it. */
async function change(rig: Rig<unknown, unknown>, connection: Connection, { point, to }: { point: TestPoint; to: 0 | 1 }): Promise<void> {
  const { device } = rig;
  if (device.change !== undefined) return device.change(point);
  assert.ok(device.writable, 'the harness has `change` or `writable`');
  await rig.write(connection, { point, value: device.writable.values[to] });
}

/** The point that `change` can change. */
function changing({ device }: Rig<unknown, unknown>): TestPoint | undefined {
  return device.change === undefined ? device.writable?.point : device.points(1)[0];
}

async function subscribed(
  rig: Rig<unknown, unknown>,
): Promise<{ connection: Connection; point: TestPoint; pushed: Pushed; names: ReadonlySet<string> } | undefined> {
  const connection = await rig.open();
  const point = changing(rig);
  if (connection.subscribe === undefined || point === undefined) return undefined;
  const pushed = new Pushed();
  const names = await rig.subscribe(connection, [point], pushed.emit);
  return names.has(point.name) ? { connection, point, pushed, names } : undefined;
}

export const pushCases: readonly Case[] = [
  {
    title: 'the first value of each pushed point comes by itself, and so does each change',
    async run(rig) {
      const standing = await subscribed(rig);
      if (standing === undefined) return;
      const { connection, point, pushed } = standing;
      const what = (which: string): { what: string; ms: number } => ({ what: `the ${which} value to be pushed`, ms: rig.patienceMs });
      await eventually(() => pushed.value(point.name) !== undefined, what('first'));
      for (const to of [0, 1] as const) {
        const [before, count] = [pushed.value(point.name), pushed.count];
        await change(rig, connection, { point, to });
        const wanted = rig.device.change === undefined ? rig.device.writable?.values[to] : undefined;
        if (wanted === before) continue;
        await eventually(() => pushed.count > count && pushed.value(point.name) !== before, what('next'));
      }
    },
  },
  {
    title: 'a point that cannot be pushed is left out, and takes no other with it',
    async run(rig) {
      const connection = await rig.open();
      const point = changing(rig);
      if (connection.subscribe === undefined || point === undefined) return;
      const alone = await rig.subscribe(connection, [point], () => undefined);
      const other = await rig.open();
      const names = await rig.subscribe(other, [rig.device.bad, point], () => undefined);
      assert.ok(!names.has(rig.device.bad.name), 'the bad point is left to be polled');
      assert.equal(names.has(point.name), alone.has(point.name));
    },
  },
  {
    title: 'after the signal nothing is pushed any more',
    async run(rig) {
      const standing = await subscribed(rig);
      if (standing === undefined) return;
      const { connection, point, pushed } = standing;
      await eventually(() => pushed.count > 0, { what: 'the first value to be pushed', ms: rig.patienceMs });
      rig.requests.abort(new Error('not wanted any more'));
      const { count } = pushed;
      const { device } = rig;
      if (device.change !== undefined) await device.change(point);
      else if (device.writable !== undefined)
        await rig.write(connection, { point, value: device.writable.values[1] }, { signal: new AbortController().signal, urgent: true });
      assert.equal(pushed.count, count);
    },
  },
];
