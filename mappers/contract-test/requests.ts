/** Owns the cases about reading and writing a device that answers, refuses, or does not answer. */
import { strict as assert } from 'node:assert';
import { getEventListeners } from 'node:events';
import type { Connection, Reading } from '../contract.ts';
import type { Case } from './cases.ts';
import type { TestPoint } from './harness.ts';
import { failureOf, isFailure, PROMPT_MS, settled, unreachable, type Rig } from './rig.ts';

/** A leak shows after some requests, not after one. */
const MANY = 20;

/** Once each, whatever their order. */
function inFull(readings: readonly Reading[], points: readonly TestPoint[]): void {
  const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name).sort();
  assert.deepEqual(names(readings), names(points), 'each point has one reading');
}

async function readAll(rig: Rig<unknown, unknown>, connection: Connection, points: readonly TestPoint[]): Promise<Map<string, unknown>> {
  const readings = await rig.read(connection, points);
  inFull(readings, points);
  return rig.values(readings);
}

/** Resolves when the device answers again, on this connection or on a new one. */
async function answersAgain(rig: Rig<unknown, unknown>, connection: Connection): Promise<void> {
  const points = rig.device.points(2);
  const outcome = await settled(rig.read(connection, points), { what: 'the next read', ms: rig.patienceMs });
  if ('value' in outcome) return inFull(outcome.value, points);
  await connection.close();
  await readAll(rig, await rig.reopen(), points);
}

const reading: readonly Case[] = [
  {
    title: 'each point that is asked for has one reading',
    async run(rig) {
      const connection = await rig.open();
      for (const count of [1, 3]) await readAll(rig, connection, rig.device.points(count));
    },
  },
  {
    title: 'a read without points says whether the device answers',
    async run(rig) {
      const connection = await rig.open();
      assert.deepEqual(await rig.read(connection, []), []);
      await rig.device.silence();
      await unreachable(rig.read(connection, []), { what: 'a read without points', ms: rig.patienceMs });
      await rig.device.speak();
    },
  },
  {
    title: 'one bad point is a reading with an error, the others have their values',
    async run(rig) {
      const connection = await rig.open();
      const [first, second] = rig.device.points(2);
      assert.ok(first && second);
      const points = [first, rig.device.bad, second];
      for (const round of [1, 2]) {
        const readings = await rig.read(connection, points);
        inFull(readings, points);
        const bad = readings.find(({ name }) => name === rig.device.bad.name);
        assert.ok(bad !== undefined && 'error' in bad, `the bad point has an error in round ${round}`);
        assert.ok(bad.error.length > 0 && bad.answered, 'it says why, and that the device answered');
        rig.values(readings.filter((one) => one !== bad));
      }
    },
  },
  {
    title: 'many points are read in one call',
    async run(rig) {
      const connection = await rig.open();
      await readAll(rig, connection, rig.device.points(rig.mostPoints));
    },
  },
  {
    title: 'nothing gathers with the number of requests',
    async run(rig) {
      const connection = await rig.open();
      const left = (): [timers: number, listeners: number] => [rig.clock.pending, getEventListeners(rig.requests.signal, 'abort').length];
      await readAll(rig, connection, rig.device.points(2));
      const [timers, listeners] = left();
      for (let round = 0; round < MANY; round++) await readAll(rig, connection, rig.device.points(2));
      const [timersNow, listenersNow] = left();
      assert.ok(timersNow <= timers + 1, `${timersNow} timers are armed, after the first read ${timers} were`);
      assert.ok(listenersNow <= listeners + 1, `${listenersNow} listen to the signal, after the first read ${listeners} did`);
    },
  },
];

const faults: readonly Case[] = [
  {
    title: 'a device that does not answer is told as unreachable, and read again when it does',
    async run(rig) {
      const connection = await rig.open();
      await readAll(rig, connection, rig.device.points(2));
      await rig.nextCycle();
      await rig.device.silence();
      await unreachable(rig.read(connection, rig.device.points(2)), { what: 'the read', ms: rig.patienceMs });
      await rig.device.speak();
      await answersAgain(rig, connection);
    },
  },
  {
    title: 'a read that is aborted ends at once, with the reason, and leaves the connection usable',
    async run(rig) {
      const connection = await rig.open();
      await rig.device.silence();
      const controller = new AbortController();
      const reading = rig.read(connection, rig.device.points(2), { signal: controller.signal });
      const reason = new Error('not wanted any more');
      controller.abort(reason);
      assert.equal(await failureOf(reading, { what: 'the aborted read', ms: PROMPT_MS }), reason);
      await rig.device.speak();
      await answersAgain(rig, connection);
    },
  },
  {
    title: 'a slow device is read all the same',
    needs: ({ slow }) => slow !== undefined,
    async run(rig) {
      const connection = await rig.open();
      await rig.device.slow?.(150);
      await readAll(rig, connection, rig.device.points(3));
      await rig.device.slow?.(0);
    },
  },
];

const writing: readonly Case[] = [
  {
    title: 'a value that is written is read back',
    needs: ({ writable }) => writable !== undefined,
    async run(rig) {
      const { writable } = rig.device;
      assert.ok(writable);
      const { point, values } = writable;
      const connection = await rig.open();
      for (const value of [...values, values[0]]) {
        await rig.write(connection, { point, value });
        assert.deepEqual((await readAll(rig, connection, [point])).get(point.name), value);
      }
    },
  },
  {
    title: 'a write comes through while many points are being read',
    needs: ({ writable }) => writable !== undefined,
    async run(rig) {
      const { writable } = rig.device;
      assert.ok(writable);
      const connection = await rig.open();
      const points = rig.device.points(rig.mostPoints);
      const readings = rig.read(connection, points);
      await rig.write(connection, { point: writable.point, value: writable.values[1] });
      inFull(await readings, points);
    },
  },
  {
    title: 'a write that the device refuses is told as such, and the connection goes on',
    needs: ({ refusing }) => refusing !== undefined,
    async run(rig) {
      const { refusing } = rig.device;
      assert.ok(refusing);
      const connection = await rig.open();
      isFailure(await failureOf(rig.write(connection, refusing), { what: 'the write', ms: rig.patienceMs }), 'POINT_REJECTED', 'the write');
      await readAll(rig, connection, rig.device.points(2));
    },
  },
  {
    title: 'where nothing can be written, a write is refused',
    needs: ({ writable }) => writable === undefined,
    async run(rig) {
      const connection = await rig.open();
      const [point] = rig.device.points(1);
      assert.ok(point);
      const writing = rig.write(connection, { point, value: 1n });
      isFailure(await failureOf(writing, { what: 'the write', ms: rig.patienceMs }), 'POINT_REJECTED', 'the write');
    },
  },
  {
    title: 'a write to a device that does not answer fails, and an aborted one ends at once',
    needs: ({ writable }) => writable !== undefined,
    async run(rig) {
      const { writable } = rig.device;
      assert.ok(writable);
      const write = { point: writable.point, value: writable.values[0] };
      const connection = await rig.open();
      await rig.device.silence();
      const controller = new AbortController();
      const aborted = rig.write(connection, write, { signal: controller.signal, urgent: true });
      const reason = new Error('not wanted any more');
      controller.abort(reason);
      assert.equal(await failureOf(aborted, { what: 'the aborted write', ms: PROMPT_MS }), reason);
      await unreachable(rig.write(connection, write), { what: 'the write', ms: 2 * rig.patienceMs });
      await rig.device.speak();
    },
  },
];

export const requestCases: readonly Case[] = [...reading, ...faults, ...writing];
