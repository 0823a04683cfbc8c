/** Owns the garbage that an edge must bear: payloads of MQTT clients, and frames of a cloud. */

const DEEP = 100_000;
const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const members = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);

/** JSON values where something else is expected. */
const values: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '1e999',
  '-1e999',
  '12345678901234567890',
  '""',
  '"text"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  `"${'x'.repeat(20_000)}"`,
  '[]',
  '[1,2,3]',
  '[[[]]]',
  '{}',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toString":1,"valueOf":2,"hasOwnProperty":3}',
  '{"value":5}',
  '{"value":["5"]}',
  '{"length":1000000000}',
];

const bodies: readonly string[] = values.flatMap((value) => [
  value,
  `{"event_id":${value}}`,
  `{"event_id":"e","timestamp":${value}}`,
  `{"event_id":"e","twin":${value}}`,
  `{"event_id":"e","twin":{"temperature":${value}}}`,
  `{"event_id":"e","twin":{"temperature":{"actual":${value}}}}`,
  `{"event_id":"e","twin":{"temperature":{"expected":{"value":${value}}}}}`,
  `{"event_id":"e","twin":{"temperature":{"metadata":{"type":${value}}}}}`,
  `{"event_id":"e","twin":{"temperature":{"optional":${value}}}}`,
  `{"event_id":"e","twin":{"temperature":{"actual_version":${value},"expected_version":{"cloud":${value},"edge":${value}}}}}`,
  `{"event_id":"e","state":${value}}`,
  `{"event_id":"e","state":"online","reason":${value},"attributes":${value}}`,
]);

export const payloads: readonly (string | Buffer)[] = [
  ...bodies,
  '',
  ' ',
  '\0',
  'hello',
  '{',
  '{"event_id":"e","twin":{"temperature":{"actual":{"val',
  '{"event_id":"e"}{"event_id":"f"}',
  "{'event_id':'e'}",
  '\ufeff{"event_id":"e","twin":{}}',
  nest(DEEP),
  members(30_000),
  '['.repeat(DEEP),
  `{"event_id":"e","twin":{"temperature":{"actual":{"value":${nest(DEEP)}}}}}`,
  `{"event_id":"e","twin":{"temperature":${members(30_000)}}}`,
  `{"event_id":"${'e'.repeat(200_000)}","twin":{}}`,
  `{"event_id":"e","twin":{"${'k'.repeat(200_000)}":{}}}`,
  '{"event_id":"e","twin":{"\\u0000":{}}}',
  `{"event_id":"e","twin":{${Array.from({ length: 5000 }, (_, index) => `"n${String(index)}":{"actual":{"value":"1"}}`).join(',')}}}`,
  `{"event_id":"e","twin":{${Array.from({ length: 5000 }, () => '"same":{"actual":{"value":"x"}}').join(',')}}}`,
  Buffer.from([0xff, 0xfe, 0x00, 0x01]),
  Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
  Buffer.from('7b226576656e745f6964223a22eda080222c227477696e223a7b7d7d', 'hex'),
  Buffer.alloc(200_000),
  Buffer.alloc(200_000, 0xff),
];

const resources: readonly string[] = [
  'membership',
  'membership/detail',
  'device/d1/twin/cloud_updated',
  'device/nobody/twin/cloud_updated',
  'device/__proto__/twin/cloud_updated',
  'device/d1',
  'device/d1/twin/edge_updated',
  'device//twin/cloud_updated',
  'device',
  '',
  '/',
  'x'.repeat(5000),
];

const contents: readonly string[] = [
  ...values,
  ...values.flatMap((value) => [
    `{"event_id":${value},"timestamp":${value},"added_devices":${value},"removed_devices":${value}}`,
    `{"added_devices":[${value}],"removed_devices":[${value}]}`,
    `{"added_devices":[{"id":${value},"name":${value},"description":${value},"attributes":${value},"twin":${value},"hivelet":${value}}]}`,
    `{"removed_devices":[{"id":${value},"name":${value}}]}`,
    `{"added_devices":[{"id":"odd","twin":{"p":${value}},"hivelet":{"uid":${value},"cluster_uid":${value},"hash":${value},"profile":${value}}}]}`,
    `{"added_devices":[{"id":"odd","hivelet":{"uid":"u","cluster_uid":"cluster-1","hash":"h","profile":{"name":"odd","namespace":${value},"protocol":${value},"protocolConfig":${value},"properties":${value}}}}]}`,
    `{"devices":[${value}],"hivelet":{"cluster_uid":"other","unchanged":${value},"removed":${value}}}`,
    `{"twin":${value},"hivelet":${value}}`,
    `{"twin":{"temperature":${value}}}`,
    `{"twin":{"temperature":{"expected":{"value":${value}},"expected_version":{"cloud":1,"edge":0}}}}`,
    `{"twin":{"temperature":{"expected":{"value":"1"},"expected_version":${value},"metadata":${value}}}}`,
    `{"attributes":${value}}`,
    `{"attributes":{"a":${value}}}`,
  ]),
];

/** "source group operation", resource. */
function route(who: string, resource: string): string {
  const [source, group, operation] = who.split(' ');
  return JSON.stringify({ source, group, operation, resource });
}

/** Well-formed messages of our cloud with garbage inside; the answer to each is due. */
const asked: readonly string[] = [...resources.flatMap((resource) => contents.map((content) => ({ resource, content })))].map(
  ({ resource, content }, index) =>
    `{"header":{"msg_id":"asked-${String(index)}","timestamp":1},"route":${route('devicecontroller twin update', resource)},"content":${content}}`,
);

const objects: readonly string[] = contents
  .slice(0, 60)
  .flatMap((content) =>
    ['insert', 'update', 'delete', 'response', 'error', 'query', 'keepalive', ''].map(
      (operation) =>
        `{"header":{"msg_id":"o","timestamp":1},"route":${route(`edgecontroller resource ${operation}`, 'default/configmap/c')},"content":${content}}`,
    ),
  );

const rules: readonly string[] = ['publish', 'message', 'subscribe', 'unsubscribe', 'get_result', 'upload', 'x'].flatMap((operation) =>
  ['', '#', '+/+', 'a/b', 'a\0b', '$SYS/x', '$hw/events/device/d1/twin/update/result', 'x/'.repeat(500), 'é'.repeat(2000)].flatMap(
    (topic) =>
      values
        .slice(0, 12)
        .map(
          (content) =>
            `{"header":{"msg_id":"r","timestamp":1},"route":${route(`router_eventbus user ${operation}`, topic)},"content":${content}}`,
        ),
  ),
);

const shapes: readonly string[] = [
  ...values,
  ...values.map((value) => `{"header":${value},"route":${value},"content":${value}}`),
  ...values.map(
    (value) =>
      `{"header":{"msg_id":${value},"parent_msg_id":${value},"timestamp":${value},"resourceversion":${value}},"route":{"source":${value},"group":${value},"operation":${value},"resource":${value}}}`,
  ),
  ...values.map(
    (value) =>
      `{"header":{"msg_id":"p","parent_msg_id":"nobody","timestamp":1},"route":{"group":"twin","operation":"response"},"content":${value}}`,
  ),
  '',
  '{',
  'hello',
  '\0\0\0',
  nest(DEEP),
  members(DEEP),
  '['.repeat(DEEP),
  `{"header":{"msg_id":"deep"},"route":${route('devicecontroller twin update', 'membership')},"content":{"added_devices":[{"id":"deep","description":${nest(DEEP)}}]}}`,
  `{"header":{"msg_id":"deep"},"route":${route('edgecontroller resource update', 'default/configmap/c')},"content":${members(DEEP)}}`,
  `{"header":{"msg_id":"deep"},"route":${route('devicecontroller twin update', 'membership')},"content":${JSON.stringify(members(DEEP))}}`,
  `{"header":{"msg_id":"text"},"route":${route('devicecontroller twin update', 'membership')},"content":${JSON.stringify('x'.repeat(1_000_000))}}`,
];

export const frames: readonly string[] = [...shapes, ...asked, ...objects, ...rules];
