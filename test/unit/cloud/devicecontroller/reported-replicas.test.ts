/** The way up through several replicas: nothing of one that was left behind overtakes what its successor wrote. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { DeviceBook } from '#cloud/devicecontroller/device-book.ts';
import { Reported, type Duties } from '#cloud/devicecontroller/reported.ts';
import { devices, type KubeObject } from '#cloud/store/kube-api.ts';
import { createMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const NAME = { namespace: 'default', name: 'thermo' };

type Duty = ReturnType<Duties['of']>;

class Replica {
  duty: Duty;
  /** What the API would say if it were asked. */
  holds: () => boolean;
  asked = 0;
  /** Happens while the API is asked who serves the node. */
  during = (): void => undefined;
  deaf = false;
  readonly reported: Reported;
  readonly #book: DeviceBook;
  readonly #site: Site;
  #seen: KubeObject | undefined;
  #edge = 0;

  constructor(site: Site, { duty, holds }: { duty: Duty; holds: () => boolean }) {
    this.#site = site;
    site.replicas.push(this);
    this.duty = duty;
    this.holds = holds;
    this.#book = new DeviceBook({ model: () => thermostatModel(), statusChanged: (key) => this.reported.statusChanged(key) });
    this.reported = new Reported({
      api: site.api,
      clock: site.clock,
      log: silentLogger(),
      signal: new AbortController().signal,
      book: this.#book,
      object: () => this.#seen,
      nodeState: () => site.node,
      duties: {
        of: () => this.duty,
        confirm: async () => {
          this.asked += 1;
          await Promise.resolve();
          this.during();
          return this.holds();
        },
      },
    });
  }

  /** Its watch shows it the object as it is now. */
  async look(): Promise<void> {
    this.#seen = this.#site.api.peek(devices, NAME);
    if (this.#seen !== undefined) this.#book.upsert(this.#seen);
    await this.#site.clock.settle();
  }

  async say(value: string, version = ++this.#edge): Promise<void> {
    const twin = {
      setpoint: { actual: { value, metadata: { timestamp: 1 } }, metadata: { type: 'int' }, actual_version: { cloud: 0, edge: version } },
    };
    const message = createMessage(1, {
      source: 'twin',
      group: 'resource',
      operation: 'update',
      resource: 'device/thermo/twin/edge_updated',
      content: { twin },
    });
    assert.is(this.reported.receive({ node: 'pi', peer: 'hivelet', store: 'store-1', send: () => undefined }, message), undefined);
    await this.#site.clock.settle();
  }
}

class Site {
  readonly clock = new FakeClock();
  readonly api = new MemoryKubeApi();
  readonly replicas: Replica[] = [];
  node: 'ready' | 'lost' = 'ready';

  constructor() {
    this.api.put(devices, thermostat({ desired: '1' }));
  }

  get status(): { state?: string; twins?: { reported?: { value: string } }[]; conditions?: { type: string; status: string }[] } {
    return this.api.peek(devices, NAME)?.status ?? {};
  }

  get value(): string | undefined {
    return this.status.twins?.[0]?.reported?.value;
  }

  /** Everything that waits for its time is written; watches tell, but to whom is deaf. */
  async pass(): Promise<void> {
    for (let second = 0; second < 60; second++) {
      await this.clock.advance(1000);
      for (const replica of this.replicas) if (!replica.deaf) await replica.look();
    }
  }
}

test('a replica that does not serve the node writes nothing, whatever changes', async () => {
  const site = new Site();
  const [a, b] = [new Replica(site, { duty: 'all', holds: () => true }), new Replica(site, { duty: 'nothing', holds: () => false })];
  for (const replica of [a, b]) await replica.look();
  await a.say('1');
  await site.pass();
  const writes = site.api.patches(devices).length;
  await b.look();
  b.reported.nodeChanged('pi');
  await b.say('9');
  await site.pass();
  assert.is(site.api.patches(devices).length, writes);
  assert.is(b.asked, 0);
  assert.is(site.value, '1');
});

test('a replica that believes to serve the node does not put its value over the newer one of another', async () => {
  const site = new Site();
  let holder = 'a';
  const a = new Replica(site, { duty: 'all', holds: () => holder === 'a' });
  const b = new Replica(site, { duty: 'nothing', holds: () => holder === 'b' });
  for (const replica of [a, b]) await replica.look();
  await a.say('5', 1);
  await site.pass();
  a.deaf = true;
  holder = 'b';
  b.duty = 'all';
  await b.look();
  await b.say('6', 2);
  await site.pass();
  assert.is(site.value, '6');
  a.deaf = false;
  await site.pass();
  await a.say('4', 3);
  await site.pass();
  assert.is(site.value, '6', 'neither by healing nor by what still came over its link');
});

test('what comes in between the question and the write is not overtaken', async () => {
  const site = new Site();
  let holder = 'a';
  const a = new Replica(site, { duty: 'all', holds: () => holder === 'a' });
  await a.look();
  await site.pass();
  let before = (): void => {
    before = () => undefined;
    holder = 'b';
    const device = site.api.peek(devices, NAME)!;
    const twins = [{ propertyName: 'setpoint', reported: { value: '9', metadata: { type: 'int', timestamp: '1' } } }];
    site.api.put(devices, { ...device, status: { ...(device.status as object), twins } });
  };
  site.api.before = ({ verb }) => {
    if (verb === 'patch') before();
  };
  await a.say('5');
  await site.pass();
  assert.is(site.value, '9');
});

test('what was decided before the node went to another one and came back is not written, however late the answer comes', async () => {
  const site = new Site();
  const a = new Replica(site, { duty: 'all', holds: () => true });
  await a.look();
  await site.pass();
  const device = site.api.peek(devices, NAME)!;
  const twins = [{ propertyName: 'setpoint', reported: { value: '9', metadata: { type: 'int', timestamp: '1' } } }];
  site.api.put(devices, { ...device, status: { ...(device.status as object), twins } });
  await a.look();
  a.during = () => {
    a.during = () => undefined;
    a.reported.dutyChanged('pi', true);
  };
  await a.say('5');
  await site.pass();
  assert.is(site.value, '9');
});

test('who served a node, lost it and got it back has forgotten what it knew', async () => {
  const site = new Site();
  const a = new Replica(site, { duty: 'all', holds: () => true });
  await a.look();
  await a.say('5');
  await site.pass();
  a.duty = 'nothing';
  a.reported.dutyChanged('pi', true);
  const device = site.api.peek(devices, NAME)!;
  const twins = [{ propertyName: 'setpoint', reported: { value: '6', metadata: { type: 'int', timestamp: '1' } } }];
  site.api.put(devices, { ...device, status: { ...(device.status as object), twins } });
  a.duty = 'all';
  a.reported.dutyChanged('pi', false);
  await a.look();
  await site.pass();
  assert.is(site.value, '6');
  await a.say('7', 1);
  await site.pass();
  assert.is(site.value, '7', 'versions are compared from the start again');
});

test('a chain of own writes asks nothing, a write onto somebody else’s asks once', async () => {
  const site = new Site();
  const a = new Replica(site, { duty: 'all', holds: () => true });
  await a.look();
  await site.pass();
  const asked = a.asked;
  for (let value = 2; value < 10; value++) {
    await a.say(String(value));
    await site.pass();
    await a.look();
  }
  assert.is(site.value, '9');
  assert.is(a.asked, asked);
  const device = site.api.peek(devices, NAME)!;
  site.api.put(devices, { ...device, metadata: { ...device.metadata, labels: { room: 'hall' } } });
  await a.look();
  await a.say('10');
  await site.pass();
  assert.is(a.asked, asked + 1);
});

test('the leader says that the devices of a lost node are unknown, and leaves what they reported and what only the edge can know', async () => {
  const site = new Site();
  const device = site.api.peek(devices, NAME)!;
  site.api.put(devices, {
    ...device,
    status: {
      state: 'online',
      twins: [{ propertyName: 'setpoint', desired: { value: '1' }, reported: { value: '5', metadata: { type: 'int', timestamp: '1' } } }],
      conditions: [
        { type: 'LocalOverride', status: 'True', reason: 'SetAtTheEdge', message: 'm', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    },
  });
  const leader = new Replica(site, { duty: 'verdict', holds: () => true });
  site.node = 'lost';
  await leader.look();
  await site.pass();
  assert.equal([site.status.state, site.value], ['unknown', '5']);
  assert.equal(Object.fromEntries((site.status.conditions ?? []).map(({ type, status }) => [type, status])), {
    LocalOverride: 'True',
    Ready: 'Unknown',
  });
});

test('a question that the API does not answer is asked again', async () => {
  const site = new Site();
  let broken = true;
  const a = new Replica(site, {
    duty: 'all',
    holds: () => {
      if (broken) throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
      return true;
    },
  });
  await a.look();
  await a.say('5');
  await site.pass();
  assert.is(site.value, undefined);
  broken = false;
  await site.pass();
  assert.is(site.value, '5');
});

test.run();
