/** Objects on their way down to stand-ins for edges: what a node's pods use, what was missed, what was deleted, in which order. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps, endpoints, nodes, objectSyncs, pods, secrets, services, type KubeObject } from '#cloud/store/kube-api.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { others, recorded, syncsOf, told, withCloud } from '#test/support/down-cloud.ts';
import { at, configmap, createNode, podOf, removePod, said, setValue, stateOf } from '#test/support/down-objects.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test('a node gets what its pods use, before the pods, and nothing else; what it acknowledges is recorded', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    await createNode(cloud.api, 'other');
    for (const name of ['used', 'unused', 'elsewhere']) await cloud.api.create(configmaps, configmap(name, '1'));
    await cloud.api.create(secrets, { metadata: at('key'), stringData: { a: 'b' } });
    await cloud.api.create(pods, podOf('web', 'pi', { configmaps: ['used'], secrets: ['key'] }));
    await cloud.api.create(pods, podOf('far', 'other', { configmaps: ['elsewhere'] }));
    const edge = await cloud.edge('pi');
    const pod = await told(edge, 'insert default/pod/web');
    assert.equal(said(edge), [
      'insert default/node/pi',
      'insert default/configmap/used',
      'update default/secret/key',
      'insert default/pod/web',
    ]);
    const { metadata } = await cloud.api.get(pods, at('web'));
    assert.equal([pod.route.source, pod.header.resourceversion], ['edgecontroller', metadata.resourceVersion]);
    await until(async () => (await recorded(cloud, 'pi')).get('Pod/web'), { what: 'the record of the pod' });
    await until(async () => (await recorded(cloud, 'pi')).size === 3, { what: 'three records' });
    const sync = await cloud.api.get(objectSyncs, { namespace: 'default', name: `pi.${metadata.uid ?? ''}` });
    assert.equal(sync['spec'], { objectAPIVersion: 'v1', objectKind: 'Pod', objectName: 'web' });
    assert.is((sync['status'] as Record<string, string>)['objectResourceVersion'], metadata.resourceVersion);
  });
});

test('200 objects go down; after a cut link the node gets only what it misses', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    const names = Array.from({ length: 100 }, (_, index) => `map-${index}`);
    for (const name of names) await cloud.api.create(configmaps, configmap(name, '1'));
    for (let index = 0; index < 100; index++) {
      await cloud.api.create(pods, podOf(`pod-${index}`, 'pi', { configmaps: [`map-${index}`] }));
    }
    const first = await cloud.edge('pi', { acks: false });
    let acknowledged = 0;
    first.socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as BeehiveMessage;
      if (message.header.parent_msg_id !== undefined || message.route.group !== 'resource' || ++acknowledged > 90) return;
      const { source, group, resource } = message.route;
      first.send({ source, group, resource, operation: 'response', content: 'OK', parentId: message.header.msg_id });
    });
    await until(() => acknowledged >= 90 + 32, { what: '90 acknowledgements and a full window' });
    const before = [...new Set(said(first))].slice(0, 90).filter((text) => !text.includes('/node/'));
    await until(async () => (await recorded(cloud, 'pi')).size >= before.length, { what: 'the records' });
    first.close();
    await setValue(cloud.api, 'map-3', '2');
    const second = await cloud.edge('pi');
    await until(() => others(second).length >= 201 - before.length, { what: 'the rest' });
    const rest = others(second);
    assert.equal(new Set(rest).size, rest.length, 'nothing twice');
    const again = rest.filter((text) => before.includes(text) || text === 'update default/configmap/map-3');
    assert.equal(again, ['update default/configmap/map-3'], 'of what it had only what changed');
    assert.is(stateOf([...first.frames.slice(0, 0), ...second.frames]).get('default/configmap/map-3'), '2');
    await until(async () => (await recorded(cloud, 'pi')).size === 200, { what: 'all records' });
    second.close();
    const third = await cloud.edge('pi');
    await cloud.api.create(configmaps, configmap('late', '1'));
    await cloud.api.create(pods, podOf('late', 'pi', { configmaps: ['late'] }));
    await told(third, 'insert default/pod/late');
    assert.equal(others(third), ['insert default/configmap/late', 'insert default/pod/late']);
  });
});

test('what was deleted, or deleted and made again, while the node was away', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    for (const name of ['gone', 'again', 'stays']) {
      await cloud.api.create(configmaps, configmap(name, '1'));
      await cloud.api.create(pods, podOf(name, 'pi', { configmaps: [name] }));
    }
    const first = await cloud.edge('pi');
    await until(async () => (await recorded(cloud, 'pi')).size === 6, { what: 'six records' });
    const old = await cloud.api.get(configmaps, at('again'));
    first.close();
    await removePod(cloud.api, 'gone');
    await cloud.api.delete(configmaps, at('gone'));
    await cloud.api.delete(configmaps, at('again'));
    const fresh = await cloud.api.create(configmaps, configmap('again', '2'));
    const second = await cloud.edge('pi');
    const insert = await told(second, 'insert default/configmap/again');
    const remove = await told(second, 'delete default/pod/gone');
    await told(second, 'delete default/configmap/gone');
    assert.is((insert.content as KubeObject).metadata.uid, fresh.metadata.uid);
    assert.ok(Number(remove.header.resourceversion) > Number(old.metadata.resourceVersion));
    assert.equal(others(second).length, 3);
    await until(async () => (await recorded(cloud, 'pi')).size === 4, { what: 'four records' });
    const names = (await syncsOf(cloud, 'pi')).map(({ metadata }) => metadata.name);
    assert.equal([names.includes(`pi.${fresh.metadata.uid ?? ''}`), names.includes(`pi.${old.metadata.uid ?? ''}`)], [true, false]);
  });
});

test('services that select a pod of the node go down with their endpoints, and go when they cease to', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    const edge = await cloud.edge('pi');
    await cloud.api.create(services, { metadata: at('web'), spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
    await cloud.api.create(services, { metadata: at('other'), spec: { selector: { app: 'other' }, ports: [{ port: 80 }] } });
    await cloud.api.create(endpoints, { metadata: at('web'), subsets: [] });
    await cloud.api.create(pods, podOf('web', 'pi', { labels: { app: 'web' } }));
    await told(edge, 'insert default/endpoints/web');
    await told(edge, 'insert default/pod/web');
    assert.equal(others(edge).sort(), ['insert default/endpoints/web', 'insert default/pod/web', 'insert default/service/web']);
    await cloud.api.patch(services, at('web'), { type: 'merge', body: { spec: { selector: { app: 'else' } } } });
    await told(edge, 'delete default/service/web');
    await told(edge, 'delete default/endpoints/web');
  });
});

test('a change of the status alone is not told; a restart of the cloud tells nothing twice', async () => {
  const dataDir = tempDir();
  await withCloud(
    async (cloud) => {
      await createNode(cloud.api, 'pi');
      await cloud.api.create(configmaps, configmap('a', '1'));
      await cloud.api.create(pods, podOf('web', 'pi', { configmaps: ['a'] }));
      const edge = await cloud.edge('pi');
      await until(async () => (await recorded(cloud, 'pi')).size === 2, { what: 'two records' });
      const from = edge.frames.length;
      await cloud.api.patch(pods, at('web'), { type: 'merge', body: { status: { phase: 'Running' } }, subresource: 'status' });
      await setValue(cloud.api, 'a', '2');
      await told(edge, 'update default/configmap/a');
      assert.equal(others(edge, from), ['update default/configmap/a']);
      await until(
        async () =>
          (await recorded(cloud, 'pi')).get('ConfigMap/a') === (await cloud.api.get(configmaps, at('a'))).metadata.resourceVersion,
        {
          what: 'the newest version to be recorded',
        },
      );
    },
    { dataDir },
  );
  await withCloud(
    async (cloud) => {
      const edge = await cloud.edge('pi');
      await cloud.api.create(configmaps, configmap('b', '1'));
      await cloud.api.create(pods, podOf('second', 'pi', { configmaps: ['b'] }));
      await told(edge, 'insert default/pod/second');
      assert.equal(others(edge), ['insert default/configmap/b', 'insert default/pod/second']);
    },
    { dataDir },
  );
});

test('an edge that says what it has is told what its database lacks, and is rid of what nobody wants', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    for (const name of ['kept', 'lost']) await cloud.api.create(configmaps, configmap(name, '1'));
    await cloud.api.create(pods, podOf('web', 'pi', { configmaps: ['kept', 'lost'] }));
    const first = await cloud.edge('pi');
    await until(async () => (await recorded(cloud, 'pi')).size === 3, { what: 'three records' });
    first.close();
    const held = async (type: typeof pods, name: string): Promise<[string, string[]]> => {
      const { metadata } = await cloud.api.get(type, at(name));
      return [`default/${type.kind.toLowerCase()}/${name}`, [metadata.uid ?? '', metadata.resourceVersion ?? '']];
    };
    const cluster = cloud.log.find(({ event }) => event === 'cloudcore.ready')?.fields['cluster'];
    const second = await cloud.edge('pi');
    const objects = Object.fromEntries([
      await held(configmaps, 'kept'),
      await held(pods, 'web'),
      ['default/configmap/foreign', ['u-1', '7']],
    ]);
    await second.ask({
      source: 'metaManager',
      group: 'resource',
      operation: 'update',
      resource: 'objects/held',
      content: { cluster_uid: cluster, objects },
    });
    await told(second, 'insert default/configmap/lost');
    const removal = await told(second, 'delete default/configmap/foreign');
    assert.is((removal.content as KubeObject).metadata.uid, 'u-1');
    assert.equal(others(second).length, 2);
  });
});

test('queries of what the pods of the node use are answered, all others are denied', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    for (const name of ['used', 'unused']) await cloud.api.create(configmaps, configmap(name, '1'));
    await cloud.api.create(pods, podOf('web', 'pi', { configmaps: ['used', 'missing'] }));
    const edge = await cloud.edge('pi');
    await told(edge, 'insert default/pod/web');
    const query = (resource: string) => edge.ask({ source: 'edged', group: 'meta', operation: 'query', resource });
    const found = await query('default/configmap/used');
    assert.equal([found.route.operation, (found.content as { data: unknown }).data], ['response', { value: '1' }]);
    assert.is(found.header.resourceversion, (await cloud.api.get(configmaps, at('used'))).metadata.resourceVersion);
    const refusals = [];
    for (const resource of [
      'default/configmap/unused',
      'default/configmap/missing',
      'default/persistentvolume/v',
      'kube-system/secret/x',
    ]) {
      const { route, content } = await query(resource);
      refusals.push([route.operation, content]);
    }
    assert.equal(refusals, [
      ['error', 'no pod of node pi uses configmap default/unused'],
      ['error', 'configmaps "missing" not found'],
      ['error', 'query of default/persistentvolume/v is not served by this cloud'],
      ['error', 'no pod of node pi uses secret kube-system/x'],
    ]);
  });
});

test('the records of a deleted node are collected, at once and after a start; those of others stay', async () => {
  const dataDir = tempDir();
  const record = (node: string, uid: string): KubeObject['metadata'] => ({ namespace: 'default', name: `${node}.${uid}` });
  await withCloud(
    async (cloud) => {
      await createNode(cloud.api, 'pi.with.dots');
      const spec = { objectAPIVersion: 'v1', objectKind: 'configmaps', objectName: 'x' };
      await cloud.api.create(objectSyncs, { metadata: record('pi.with.dots', 'u1'), spec });
      await until(async () => (await syncsOf(cloud, 'pi.with.dots')).length === 1, { what: 'the record' });
      await cloud.api.delete(nodes, { name: 'pi.with.dots' });
      await until(async () => (await syncsOf(cloud, 'pi.with.dots')).length === 0, { what: 'the collection' });
      await createNode(cloud.api, 'stays');
      await cloud.api.create(objectSyncs, { metadata: record('stays', 'u3'), spec });
    },
    { dataDir },
  );
  await withCloud(
    async (cloud) => {
      const spec = { objectAPIVersion: 'v1', objectKind: 'ConfigMap', objectName: 'x' };
      await cloud.api.create(objectSyncs, { metadata: record('never-was', 'u2'), spec });
      await until(async () => (await syncsOf(cloud, 'never-was')).length === 0, {
        what: 'the collection after a start',
        deadlineMs: 20_000,
      });
      assert.is((await syncsOf(cloud, 'stays')).length, 1);
    },
    { dataDir },
  );
});

test('a KubeEdge edge gets the exact forms, one object at a time, and what it does not acknowledge again after 5 s', async () => {
  await withCloud(async (cloud) => {
    await createNode(cloud.api, 'pi');
    await cloud.api.create(configmaps, configmap('a', '1'));
    await cloud.api.create(secrets, { metadata: at('key'), stringData: { a: 'b' } });
    await cloud.api.create(services, { metadata: at('web'), spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
    await cloud.api.create(pods, podOf('web', 'pi', { configmaps: ['a'], secrets: ['key'], labels: { app: 'web' } }));
    const edge = await cloud.edge('pi', { peer: 'kubeedge' });
    const acknowledge = ({ header, route }: BeehiveMessage): void => {
      const { source, group, resource } = route;
      edge.send({ source, group, resource, operation: 'response', content: 'OK', parentId: header.msg_id });
    };
    const first = await told(edge, 'insert default/configmap/a');
    const again = await edge.frame('the second try', ({ header }) => header.msg_id === first.header.msg_id, edge.frames.indexOf(first) + 1);
    assert.equal(again, first);
    assert.equal(said(edge), ['insert default/configmap/a', 'insert default/configmap/a'], 'nothing else before it is acknowledged');
    const { metadata } = await cloud.api.get(configmaps, at('a'));
    assert.equal(first.route, { source: 'edgecontroller', group: 'resource', operation: 'insert', resource: 'default/configmap/a' });
    assert.equal(first.header, {
      msg_id: first.header.msg_id,
      timestamp: first.header.timestamp,
      resourceversion: metadata.resourceVersion,
    });
    const content = first.content as KubeObject;
    assert.equal(
      [content.kind, content.apiVersion, content.metadata.uid, content['data']],
      ['ConfigMap', 'v1', metadata.uid, { value: '1' }],
    );
    acknowledge(first);
    acknowledge(await told(edge, 'update default/secret/key'));
    acknowledge(await told(edge, 'insert default/pod/web'));
    await until(async () => (await recorded(cloud, 'pi')).size === 3, { what: 'three records' });
    const request = edge.send({ source: 'edged', group: 'meta', operation: 'query', resource: 'default/configmap/a' });
    const answer = await edge.frame('the answer', ({ header }) => header.parent_msg_id === request.header.msg_id);
    assert.equal([answer.route.operation, answer.header.resourceversion], ['response', metadata.resourceVersion]);
    acknowledge(answer);
    await removePod(cloud.api, 'web');
    const removal = await told(edge, 'delete default/pod/web');
    assert.equal(
      said(edge).filter((text) => text.includes('service') || text.includes('/node/')),
      [],
    );
    acknowledge(removal);
    acknowledge(await told(edge, 'delete default/secret/key'));
    acknowledge(await told(edge, 'delete default/configmap/a'));
    await until(async () => (await recorded(cloud, 'pi')).size === 0, { what: 'no records' });
  });
});

test.run();
