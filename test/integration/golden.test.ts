// timeout: 180s
/** Replays exchanges captured from a real KubeEdge v1.9.1 edgecore: same stimulus, same messages and topics. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BeehiveMessage } from '#wire/message.ts';
import { startTestEdge, watchMqtt } from '#test/support/edge.ts';
import { startFakeHub } from '#test/support/fake-hub.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { goldenDifferences } from './golden-differences.ts';

interface Step {
  file: string;
  note: string;
  hub: { dir: string; json?: BeehiveMessage; http?: { path: string; headers: Record<string, string> } }[];
  mqtt_published_by_client: { topic: string; payload: string }[];
  mqtt_seen: { topic: string; qos: number; retain: boolean; payload: string }[];
}

const folder = join(import.meta.dirname, '../golden/kubeedge-1.9.1');
const steps = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file): Step => ({ file, ...(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Omit<Step, 'file'>) }));

/** Ids and times aside: an id is an echo of the stimulus, empty, or fresh. */
function normalise(value: unknown, stimulus: string, key = ''): unknown {
  if (typeof value === 'number' && (key === 'timestamp' || key === 'lastTransitionTime')) return value > 0 ? '<time>' : value;
  if (typeof value === 'string') {
    if (key === 'event_id') return value === '' ? '' : stimulus.includes(value) ? '<echo>' : '<fresh>';
    if (key === 'last_online') return value.replace(/\d/g, 'D');
    if (/^\{.*\}$/s.test(value)) return normalise(JSON.parse(value), stimulus);
    return value;
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => normalise(item, stimulus));
    return key === 'devices' ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, item]): [string, unknown] => [name, normalise(item, stimulus, name)]);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  return value;
}

function parsed(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return payload;
  }
}

/** One comparable text per channel: MQTT by device or node (order kept within), the link as a whole. */
function channels(
  seen: readonly { topic: string; payload: string; qos: number; retain: boolean }[],
  frames: readonly BeehiveMessage[],
  stimulus: string,
): Map<string, string[]> {
  const result = new Map<string, string[]>();
  const add = (channel: string, item: unknown): void => {
    result.set(channel, [...(result.get(channel) ?? []), JSON.stringify(item)]);
  };
  for (const { topic, payload, qos, retain } of seen) {
    const owner = topic.startsWith('$hw/') ? (topic.split('/')[3] ?? '') : 'plain';
    add(`mqtt/${owner}/`, { topic, qos, retain, payload: normalise(parsed(payload), stimulus) });
  }
  for (const { header, route, content } of frames) {
    if (route.operation === 'keepalive') continue;
    // KubeEdge's uploads race with each other (reference/cloud-edge-transport.md 6.6): compared as a set.
    add(route.operation === 'upload' ? 'uploads/' : 'hub/', {
      route: normalise(route, stimulus),
      parent: header.parent_msg_id === undefined ? '' : stimulus.includes(header.parent_msg_id) ? '<echo>' : '<unknown>',
      content: normalise(content, stimulus),
    });
  }
  return result;
}

test('every captured exchange with a real KubeEdge edgecore is answered the same, listed differences aside', async () => {
  const dataDir = tempDir();
  const hub = await startFakeHub({ dataDir, node: 'edge-node' });
  const { edge, port } = await startTestEdge({
    dataDir,
    hub: hub.server,
    config: join(folder, '00-edgecore.yaml'),
    sets: ['database.dataSource=', 'modules.edgeHub.tlsCaFile=', 'modules.edgeHub.tlsCertFile=', 'modules.edgeHub.tlsPrivateKeyFile='],
  });
  const mqtt = await watchMqtt(port, ['#', '$hw/#']);
  const differing: string[] = [];
  const unlisted: string[] = [];
  try {
    await hub.connected();
    await hub.frame('the membership/detail request', ({ route }) => route.resource === 'membership/detail');
    const connect = steps[0]?.hub[0]?.http;
    assert.is(hub.connections[0]?.path, connect?.path);
    for (const name of ['node_id', 'project_id', 'connectionuse'])
      assert.is(hub.connections[0]?.headers[name], connect?.headers[name], name);
    for (const step of steps.slice(1)) {
      const stimulus = JSON.stringify([step.hub.filter(({ dir }) => dir === 'cloud->edge'), step.mqtt_published_by_client]);
      const seenFrom = mqtt.seen.length;
      const framesFrom = hub.frames.length;
      for (const { dir, json } of step.hub) if (dir === 'cloud->edge' && json !== undefined) hub.send(json);
      const toEdge = step.hub.filter(({ dir }) => dir === 'cloud->edge').length;
      // What the cloud sent is through when a message that was sent after it is through.
      if (toEdge > 0) {
        const route = { source: 'router_eventbus', group: 'user', operation: 'publish', resource: 'barrier/cloud' };
        hub.send({ header: { msg_id: `barrier-${step.file}`, timestamp: 1 }, route, content: step.file });
        await mqtt.message('the barrier of the cloud', ({ topic }) => topic === 'barrier/cloud', seenFrom);
      }
      for (const { topic, payload } of step.mqtt_published_by_client) mqtt.publish(topic, payload);
      mqtt.publish('barrier/user/x', step.file);
      await hub.frame('the barrier', ({ route }) => route.resource === 'barrier/user/x', framesFrom);
      await mqtt.message('the barrier', ({ topic }) => topic === 'barrier/user/x', seenFrom);
      mqtt.publish('$hw/events/device/barrier/twin/get', '{"event_id":"barrier"}');
      await mqtt.message('the barrier of the twins', ({ topic }) => topic === '$hw/events/device/barrier/twin/get/result', seenFrom);
      const seen = mqtt.seen.slice(seenFrom).filter(({ topic }) => !topic.includes('barrier') && !topic.endsWith('/state/get/result'));
      const frames = hub.frames.slice(framesFrom).filter(({ route }) => !route.resource.includes('barrier'));
      const ours = channels(seen, frames, stimulus);
      const theirs = channels(
        step.mqtt_seen,
        step.hub.filter(({ dir }) => dir === 'edge->cloud').flatMap(({ json }) => (json === undefined ? [] : [json])),
        stimulus,
      );
      const number = step.file.slice(0, 2);
      const rows = goldenDifferences.filter((row) => row.step === number);
      for (const channel of new Set([...ours.keys(), ...theirs.keys()])) {
        const got = ours.get(channel) ?? [];
        const want = theirs.get(channel) ?? [];
        if (channel === 'uploads/') for (const list of [got, want]) list.sort();
        if (got.join('\n') === want.join('\n')) continue;
        if (!differing.includes(number)) differing.push(number);
        if (!rows.some((row) => row.fields.test(channel)))
          unlisted.push(`${step.file} ${channel}\n  want ${want.join('\n       ')}\n  got  ${got.join('\n       ')}`);
      }
    }
  } finally {
    await mqtt.close();
    await edge.stop();
    await hub.close();
  }
  assert.is(unlisted.join('\n'), '');
  assert.equal(
    differing,
    goldenDifferences.map(({ step }) => step),
    'every listed difference is one, and no other',
  );
  assert.ok(differing.length <= 10);
  process.stdout.write(`golden: ${String(steps.length)} steps, ${String(differing.length)} differ as listed\n`);
});

test.run();
