/** Owns the proof that a board's messages touch only what is its own: for each row of the hub's table the same message about another's. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge, routeOf, routes, type Ownership, type Route, type Touch } from '#cloud/cloudhub/routes.ts';
import { createMessage, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { generator, pick } from '#test/support/seeded.ts';

/** What each node has. */
const property = {
  mallory: { node: 'mallory', device: 'lamp', pod: 'shell', name: 'own', namespace: 'default' },
  victim: { node: 'victim', device: 'press', pod: 'web', name: 'theirs', namespace: 'default' },
} as const;
type Owner = keyof typeof property;

const owns: Ownership = {
  device: (node, id) => property[node as Owner].device === id,
  object: (node, key) => key.endsWith(`/${property[node as Owner].name}`),
  podElsewhere: (node, { name }) => Object.values(property).some((each) => each.pod === name && each.node !== node),
};

function filled(pattern: string, owner: Owner): string {
  if (pattern === '*') return `node/${property[owner].node}/membership`;
  return pattern.replace(/<(\w+)>/g, (_whole, name: string) => property[owner][name as keyof (typeof property)[Owner]]);
}

/** Content that names what the owner has; a row whose kind is not here fails to compile, and then the first test. */
const contents: Readonly<Record<Touch, (owner: Owner) => unknown>> = {
  link: () => 'OK',
  'own records': (owner) => ({ node: property[owner].node, objects: {} }),
  'own node': (owner) => ({ metadata: { name: property[owner].node } }),
  'bound device': (owner) => ({ twin: {}, device: { name: property[owner].device } }),
  'bound devices': (owner) => ({ ages: { [property[owner].device]: 5 } }),
  'own pod': (owner) => ({ Name: property[owner].pod, Status: {} }),
  'own pods': (owner) => [{ Name: property[owner].pod, Status: {} }],
  'used object': () => null,
};

function messagesOf(route: Route, owner: Owner): BeehiveMessage[] {
  return route.operations.map((operation) =>
    createMessage(1, {
      source: route.source ?? 'edged',
      group: route.group ?? 'resource',
      operation,
      resource: filled(route.resource, owner),
      content: contents[route.touches](owner),
      parentId: 'p',
    }),
  );
}

const refusalOf = (message: BeehiveMessage): string | undefined => {
  const verdict = judge(message, 'mallory', owns);
  return 'refused' in verdict ? verdict.refused : undefined;
};

/** Rows whose messages name nothing that is held against the sender: what they touch is found by the link alone. None is added by accident. */
test('which rows need no owner is written down here too', () => {
  const free = routes.filter(({ touches }) => touches === 'link' || touches === 'own records').map(({ name }) => name);
  assert.equal(free, ['keepalive', 'answer', 'upload', 'device list', 'objects held', 'next certificate']);
});

test('every row has a rule and an attack', () => {
  for (const { name, touches } of routes) assert.type(contents[touches], 'function', `no attack is known for ${touches} of "${name}"`);
  assert.is(new Set(routes.map(({ name }) => name)).size, routes.length);
});

const OWNERLESS: readonly Touch[] = ['link', 'own records'];
for (const route of routes) {
  test(`${route.name}: taken about one's own`, () => {
    for (const message of messagesOf(route, 'mallory')) {
      const verdict = judge(message, 'mallory', owns);
      assert.is('refused' in verdict ? verdict.refused : verdict.route.name, route.name);
    }
  });
  if (OWNERLESS.includes(route.touches)) continue;
  test(`${route.name}: refused about another's, in whatever form`, () => {
    for (const message of messagesOf(route, 'victim')) {
      const verdict = judge(message, 'mallory', owns);
      if (route.touches === 'bound devices') {
        // Nothing of another's is left of it.
        assert.equal('refused' in verdict ? verdict : verdict.message.content, { ages: {} });
        continue;
      }
      assert.is('refused' in verdict ? verdict.kind : 'taken', route.name);
      assert.match('refused' in verdict ? verdict.refused : '', /not (?:bound to|speak for)|no pod of node mallory uses/);
    }
  });
}

test('lists are judged entry by entry, in each form in which they are read', () => {
  const list = [{ Name: 'shell' }, { name: 'web', Name: 'shell' }];
  const json = JSON.stringify(list);
  const status = { source: 'edged', group: 'meta', operation: 'update', resource: 'default/podstatus' };
  for (const content of [list, json, Buffer.from(json).toString('base64')]) {
    assert.is(refusalOf(createMessage(1, { ...status, content })), 'pod default/web is not bound to node mallory');
  }
  for (const content of [{ Name: 'web' }, 'web', '[', null, 5, JSON.stringify({ 0: { Name: 'web' }, length: 1 })]) {
    assert.is(
      refusalOf(createMessage(1, { ...status, content })),
      'default/podstatus does not say the status of pods: {UID, Name, Status}',
    );
  }
  const own = judge(createMessage(1, { ...status, content: JSON.stringify([{ Name: 'shell' }]) }), 'mallory', owns);
  assert.equal('refused' in own ? own : own.message.content, [{ Name: 'shell' }], 'what was judged is what is handed on');
  const ages = { ages: { lamp: 1, press: 2 } };
  const seen = { source: 'twin', group: 'resource', operation: 'update', resource: 'devices/last-seen' };
  const verdict = judge(createMessage(1, { ...seen, content: JSON.stringify(ages) }), 'mallory', owns);
  assert.equal('refused' in verdict ? verdict : [verdict.message.content, verdict.left], [
    { ages: { lamp: 1 } },
    '1 devices are not bound to node mallory',
  ]);
});

/** Everything that any KubeEdge edge ever sent (reference/beehive-message.md sections 4 and 5), and what nobody sends. */
const kinds =
  'pod podlist podstatus node nodestatus configmap secret serviceaccounttoken persistentvolume persistentvolumeclaim volumeattachment service endpoints lease event certificatesigningrequest volume rulestatus device devicemodel rule objectsync role clusterrolebinding';
const verbs =
  'insert update delete query get patch podpatch nodepatch upload publish subscribe keepalive response error connect disconnected null applicationResponse GET action list watch';
const speakers = [
  'edged',
  'twin',
  'metaManager',
  'metaserver',
  'bus',
  'servicebus',
  'websocket',
  'edgehub',
  'func',
  '',
  'cloudhub',
  'devicecontroller',
  'edgecontroller',
  'synccontroller',
  'cloudStream',
  'router',
];
const groups = ['resource', 'meta', 'twin', 'user', 'func', 'dynamiccontroller', ''];
const shapes = [
  'default/KIND/NAME',
  'kube-system/KIND/NAME',
  'default/KIND',
  'KIND/NAME',
  'default/KIND/NAME/status',
  '/KIND/NAME',
  'default/KIND/',
  'default//NAME',
  'default/KIND/own/../NAME',
  'node/victim/default/KIND/NAME',
  'default/KIND/own%2f..%2fNAME',
  'device/DEVICE/twin/edge_updated',
  'device/DEVICE/state/update',
  'device/DEVICE',
  'device/lamp/../DEVICE/twin/edge_updated',
  'node/victim/device/DEVICE/twin/edge_updated',
  'device/DEVICE/twin/cloud_updated',
  'membership',
  'membership/detail/victim',
  'node/victim/membership/detail',
  'objects/held/victim',
  'devices/last-seen/victim',
  'kube-node-lease/lease/victim',
  'default/node/VICTIM',
  'default/node/victim ',
  'default/node/mallory/../victim',
];

test('ten thousand messages about another node, of every kind, source and group: none gets through', () => {
  const random = generator(4);
  const refusals = new Map<string, number>();
  for (let count = 0; count < 10_000; count++) {
    const kind = pick(random, kinds.split(' '));
    const resource = pick(random, shapes)
      .replaceAll('KIND', kind)
      .replaceAll('NAME', kind.startsWith('node') || kind === 'lease' ? 'victim' : kind.startsWith('pod') ? 'web' : 'theirs')
      .replaceAll('DEVICE', 'press');
    const fields: NewMessage = {
      source: pick(random, speakers),
      group: pick(random, groups),
      operation: pick(random, verbs.split(' ')),
      resource,
      content: pick(random, [null, 'OK', { ages: { press: 1 } }, [{ Name: 'web' }], { metadata: { name: 'victim' } }]),
      ...(random() < 0.2 ? { parentId: 'p' } : {}),
    };
    const message = createMessage(1, fields);
    const verdict = judge(message, 'mallory', owns);
    if ('refused' in verdict) refusals.set(verdict.kind, (refusals.get(verdict.kind) ?? 0) + 1);
    else {
      const { name, touches } = verdict.route;
      assert.ok(OWNERLESS.includes(touches), `${name} took ${JSON.stringify(fields)}`);
      assert.ok(['keepalive', 'answer', 'upload'].includes(name), `${name} took ${JSON.stringify(fields)}`);
    }
  }
  assert.ok((refusals.get('no route') ?? 0) > 5000 && (refusals.get('speaks as the cloud') ?? 0) > 500, JSON.stringify([...refusals]));
});

test('what no row names has no route', () => {
  const none = (fields: Partial<NewMessage>): void => {
    const message = createMessage(1, {
      source: 'edged',
      group: 'resource',
      operation: 'update',
      resource: 'default/node/mallory',
      ...fields,
    });
    assert.is(routeOf(message), undefined, JSON.stringify(fields));
  };
  none({ operation: 'delete' });
  none({ operation: 'query', resource: 'default/serviceaccounttoken/own' });
  none({ operation: 'insert', resource: 'kube-node-lease/lease/mallory' });
  none({ operation: 'error' });
  none({ source: 'twin', resource: 'default/node/mallory' });
  none({ source: 'edged', resource: 'device/lamp/twin/edge_updated' });
  none({ source: 'devicecontroller' });
  none({ operation: 'upload', resource: 'x' });
});

test.run();
