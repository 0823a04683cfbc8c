/** Owns the cases about opening, closing and losing a link. */
import { strict as assert } from 'node:assert';
import { messageOf } from '#beehive/errors.ts';
import type { Case } from './cases.ts';
import { isFailure, PROMPT_MS, settled, unreachable } from './rig.ts';

export const linkCases: readonly Case[] = [
  {
    title: 'what a Device says becomes a link whose key is always the same',
    async run({ plugin, device, link }) {
      const key = plugin.linkKey(link);
      assert.ok(key.length > 0, 'the key is a text');
      assert.equal(plugin.linkKey(plugin.link({ ...device.link }, 'spec.protocol')), key);
      assert.notEqual(plugin.protocol, '');
    },
  },
  {
    title: 'an empty protocol block is refused with the path of the field, and so is an empty visitor unless the name says enough',
    async run({ plugin }) {
      const outcome = (read: () => unknown, what: string): ReturnType<typeof settled> =>
        settled(Promise.resolve().then(read), { what, ms: PROMPT_MS });
      const refused = (error: unknown, path: string): void => {
        isFailure(error, 'PROFILE_INVALID', path);
        assert.ok(messageOf(error).includes(path), `the message names ${path}`);
      };
      const link = await outcome(() => plugin.link({}, 'spec.protocol'), 'link');
      assert.ok('error' in link, 'a link needs an address');
      refused(link.error, 'spec.protocol');
      const access = await outcome(() => plugin.access({}, 'visitor of x', { name: 'x', type: 'int' }), 'access');
      if ('error' in access) refused(access.error, 'visitor of x');
    },
  },
  {
    title: 'it opens and closes, and closing again does no harm',
    async run(rig) {
      const connection = await rig.open();
      await connection.close();
      await connection.close();
    },
  },
  {
    title: 'an open that is aborted ends at once, with the reason',
    async run(rig) {
      await rig.device.silence();
      for (const when of ['before', 'meanwhile']) {
        const controller = new AbortController();
        const reason = new Error(`aborted ${when}`);
        if (when === 'before') controller.abort(reason);
        const opening = rig.open(controller);
        opening.catch(() => undefined);
        if (when === 'meanwhile') controller.abort(reason);
        const outcome = await settled(opening, { what: `open, aborted ${when}`, ms: PROMPT_MS });
        // What needs no answer to be open may be so before it hears of the abort; the rig closes it.
        if ('error' in outcome) assert.equal(outcome.error, reason);
        else assert.equal(when, 'meanwhile', 'nothing is opened for a signal that was aborted before');
      }
      await rig.device.speak();
    },
  },
  {
    title: 'where nobody is, open or the first read says that the device cannot be reached',
    async run(rig) {
      await rig.device.cut();
      const first = async (): Promise<unknown> => rig.read(await rig.open(), rig.device.points(1));
      await unreachable(first(), { what: 'the first read', ms: 2 * rig.patienceMs });
      await rig.device.restore();
      const connection = await rig.reopen();
      rig.values(await rig.read(connection, rig.device.points(1)));
    },
  },
  {
    title: 'a link that is cut is told by `lost` or by the next read, and a new one works as soon as the device is back',
    async run(rig) {
      const connection = await rig.open();
      rig.values(await rig.read(connection, rig.device.points(2)));
      await rig.nextCycle();
      await rig.device.cut();
      const noticed = Promise.race([connection.lost, rig.read(connection, rig.device.points(2)).then(() => assert.fail('it answers'))]);
      const outcome = await settled(noticed, { what: 'a link that was cut', ms: rig.patienceMs });
      if ('error' in outcome) isFailure(outcome.error, 'DEVICE_UNREACHABLE', 'a read on a link that was cut');
      await connection.close();
      await rig.device.restore();
      const again = await rig.reopen();
      rig.values(await rig.read(again, rig.device.points(2)));
    },
  },
  {
    title: 'a read that is under way when the link is cut fails and does not hang',
    async run(rig) {
      const connection = await rig.open();
      await rig.device.silence();
      const reading = rig.read(connection, rig.device.points(2));
      reading.catch(() => undefined);
      await rig.device.cut();
      await unreachable(reading, { what: 'the read', ms: rig.patienceMs });
      await rig.device.speak();
      await rig.device.restore();
    },
  },
  {
    title: 'closing ends what is under way',
    async run(rig) {
      const connection = await rig.open();
      await rig.device.silence();
      const reading = rig.read(connection, rig.device.points(2));
      reading.catch(() => undefined);
      await connection.close();
      const outcome = await settled(reading, { what: 'the read', ms: PROMPT_MS });
      assert.ok('error' in outcome, 'the read fails');
      await rig.device.speak();
    },
  },
];
