/** Owns the comparison of our PUBLISH bytes with those of the codec library. */
import mqttPacket from 'mqtt-packet';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { publishFrame } from '#edge/broker/publish-frame.ts';

for (const qos of [0, 1, 2] as const) {
  for (const [retain, dup] of [
    [false, false],
    [true, false],
    [false, qos > 0],
  ] as const) {
    test(`QoS ${qos}${retain ? ', retained' : ''}${dup ? ', duplicate' : ''}: the same bytes for every length of the length field`, () => {
      for (const topic of ['a', '$hw/events/device/d/twin/update', 'grün/温度', 't'.repeat(65_535)]) {
        for (const size of [0, 1, 100, 122, 123, 124, 125, 126, 127, 128, 16_000, 16_378, 16_383, 16_384, 70_000, 2_097_152]) {
          const fields = { topic, payload: Buffer.alloc(size, 'x'), qos, retain, dup, messageId: 0xabcd };
          const ours = publishFrame(fields);
          if (!ours.equals(mqttPacket.generate({ cmd: 'publish', ...fields })))
            assert.unreachable(`${topic.slice(0, 40)} with ${size} bytes`);
        }
      }
    });
  }
}

test.run();
