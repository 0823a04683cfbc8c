/** The supervisor in virtual time: order, failures at start and later, back-off, and that a stop always ends. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { Supervisor } from '#beehive/supervisor.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

/** What a module does; by default all of it at once and without fault. */
interface Behaviour {
  start?: (context: Context, round: number) => Promise<void> | void;
  stop?: () => Promise<void> | void;
  health?: () => Health;
}

class Actor implements Module {
  readonly name: string;
  readonly #behaviour: Behaviour;
  readonly #diary: string[];
  context: Context | undefined;
  starts = 0;

  constructor(name: string, { diary, ...behaviour }: Behaviour & { diary: string[] }) {
    this.name = name;
    this.#behaviour = behaviour;
    this.#diary = diary;
  }

  async start(context: Context): Promise<void> {
    this.context = context;
    this.#diary.push(`${this.name} starts`);
    this.starts++;
    await this.#behaviour.start?.(context, this.starts);
  }

  stop(): Promise<void> {
    this.#diary.push(`${this.name} stops`);
    // Not async on purpose: what a stop throws at once must be survived too.
    return Promise.resolve(this.#behaviour.stop?.());
  }

  health(): Health {
    return this.#behaviour.health?.() ?? { ok: true };
  }
}

function rig() {
  const clock = new FakeClock();
  const lines: LogLine[] = [];
  const diary: string[] = [];
  const supervisor = new Supervisor({ clock, log: createLogger({ clock, level: 'debug', write: (line) => lines.push(line) }) });
  const actor = (name: string, behaviour: Behaviour = {}): Actor => new Actor(name, { ...behaviour, diary });
  const logged = (event: string): LogLine['fields'][] => lines.filter((line) => line.event === event).map(({ fields }) => fields);
  return { clock, diary, supervisor, actor, logged };
}

/** Settles to what the promise said. */
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

const never = (): Promise<void> => new Promise(() => undefined);

test('modules start in order, one after the other, and stop in reverse', async () => {
  const { clock, diary, supervisor, actor } = rig();
  const slow = actor('b', { start: ({ clock: given }) => given.sleep(100), stop: () => clock.sleep(50) });
  const starting = supervisor.start([actor('a'), slow, actor('c')]);
  await clock.advance(99);
  assert.equal(diary, ['a starts', 'b starts']);
  await clock.advance(1);
  await starting;
  assert.equal(supervisor.health(), { ok: true, modules: { a: { ok: true }, b: { ok: true }, c: { ok: true } } });
  const stopping = supervisor.stop();
  await clock.settle();
  assert.equal(diary.slice(2), ['c starts', 'c stops', 'b stops']);
  await clock.advance(50);
  await stopping;
  assert.equal(diary.slice(3), ['c stops', 'b stops', 'a stops']);
  assert.is(clock.pending, 0);
});

test('stopping is idempotent, and every caller waits for the same stop', async () => {
  const { clock, diary, supervisor, actor } = rig();
  await supervisor.start([actor('a', { stop: () => clock.sleep(50) })]);
  const stops = [supervisor.stop(), supervisor.stop()];
  await clock.advance(50);
  await Promise.all([...stops, supervisor.stop()]);
  assert.equal(diary, ['a starts', 'a stops']);
  assert.equal(supervisor.health(), { ok: false, modules: { a: { ok: false, detail: 'stopped' } } });
  assert.is(await outcome(supervisor.start([actor('b')])), 'STOPPED');
});

test('a module that fails to start takes those before it down, in reverse, and its error is told', async () => {
  const { diary, supervisor, actor } = rig();
  const bad = actor('b', { start: () => Promise.reject(new Error('no port')) });
  assert.is(await outcome(supervisor.start([actor('a'), bad, actor('c')])), 'no port');
  assert.equal(diary, ['a starts', 'b starts', 'b stops', 'a stops']);
});

test('a module that says it failed before it was ready has failed to start', async () => {
  const { clock, diary, supervisor, actor } = rig();
  const bad = actor('b', {
    start: ({ failed }) => {
      failed('not an error');
      return never();
    },
  });
  assert.is(await outcome(supervisor.start([actor('a'), bad])), 'INTERNAL');
  assert.equal(diary, ['a starts', 'b starts', 'b stops', 'a stops']);
  assert.is(clock.pending, 0);
});

test('a stop during the start ends the start, even of a module that does not listen', async () => {
  const { clock, diary, supervisor, actor } = rig();
  let finish = (): void => undefined;
  const deaf = actor('b', { start: () => new Promise((resolve) => (finish = resolve)) });
  const starting = outcome(supervisor.start([actor('a'), deaf, actor('c')]));
  await clock.settle();
  await supervisor.stop();
  assert.is(await starting, 'STOPPED');
  assert.equal(diary, ['a starts', 'b starts', 'b stops', 'a stops']);
  finish();
  await clock.settle();
  assert.equal(diary.slice(4), ['b stops'], 'what it opened late is closed again');
  assert.is(supervisor.health().ok, false);
});

test('a stop during the start aborts the signal of the module that starts', async () => {
  const { clock, supervisor, actor } = rig();
  const starting = outcome(supervisor.start([actor('a', { start: ({ clock: given, signal }) => given.sleep(1000, signal) })]));
  await clock.settle();
  await supervisor.stop();
  assert.is(await starting, 'STOPPED');
  assert.is(clock.pending, 0);
});

test('a failed module is stopped, waited for with back-off, and started again, its signal fresh', async () => {
  const { clock, diary, supervisor, actor, logged } = rig();
  const flaky = actor('b');
  await supervisor.start([actor('a'), flaky]);
  const before = flaky.context;
  flaky.context?.failed(new Error('lost'));
  assert.is(before?.signal.aborted, true);
  await clock.settle();
  assert.equal(diary.slice(2), ['b stops']);
  assert.equal(supervisor.health().modules['b'], { ok: false, detail: 'lost' });
  const [{ restartInMs, error, module } = {}] = logged('module.failed');
  assert.equal([module, (error as Error).message], ['b', 'lost']);
  assert.ok(Number(restartInMs) <= 500);
  await clock.advance(Number(restartInMs));
  assert.equal(diary.slice(2), ['b stops', 'b starts']);
  assert.is(flaky.context?.signal.aborted, false);
  assert.is(supervisor.health().ok, true);
  before?.failed(new Error('an echo of the first life'));
  await clock.settle();
  assert.is(flaky.starts, 2);
  await supervisor.stop();
});

test('a module that fails again as soon as it runs is started again and again, with longer waits up to 30 s', async () => {
  const { clock, supervisor, actor, logged } = rig();
  const broken = actor('a', {
    start: (_context, round) => (round === 1 ? undefined : Promise.reject(new Error(`round ${String(round)}`))),
  });
  await supervisor.start([broken]);
  broken.context?.failed(new Error('first'));
  for (let round = 0; round < 40; round++) await clock.advanceToNext();
  const waits = logged('module.failed').map(({ restartInMs }) => Number(restartInMs));
  assert.ok(waits.length >= 12);
  const ranges = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
  for (const [index, limit] of ranges.entries()) assert.ok((waits[index] ?? NaN) <= limit, `${String(waits[index])} <= ${String(limit)}`);
  assert.ok(Math.max(...waits) > 16_000);
  assert.match(supervisor.health().modules['a']?.detail ?? '', /^round \d+$/);
  await supervisor.stop();
  assert.is(clock.pending, 0);
});

test('a failure right after a restart is not lost, whatever turn it comes in', async () => {
  for (const turns of [0, 1, 2, 3, 5, 8]) {
    const { clock, supervisor, actor } = rig();
    const flaky: Actor = actor('a', {
      start: ({ failed }, round) => {
        if (round !== 2) return;
        let chain = Promise.resolve();
        for (let turn = 0; turn < turns; turn++) chain = chain.then(() => undefined);
        void chain.then(() => failed(new Error('again')));
      },
    });
    await supervisor.start([flaky]);
    flaky.context?.failed(new Error('once'));
    await clock.advance(60_000);
    assert.is(flaky.starts, 3, `${String(turns)} turns`);
    assert.is(supervisor.health().ok, true);
    await supervisor.stop();
  }
});

test('one that ran for more than a minute begins with the shortest wait again', async () => {
  const { clock, supervisor, actor, logged } = rig();
  const flaky = actor('a');
  await supervisor.start([flaky]);
  for (let failure = 0; failure < 8; failure++) {
    flaky.context?.failed(new Error('quick'));
    await clock.advance(30_000);
  }
  await clock.advance(60_001);
  flaky.context?.failed(new Error('after a good time'));
  assert.ok(Number(logged('module.failed').at(-1)?.['restartInMs']) <= 500);
  await supervisor.stop();
});

test('a stop during the back-off ends it at once, and nothing starts any more', async () => {
  const { clock, diary, supervisor, actor } = rig();
  const flaky = actor('a');
  await supervisor.start([flaky]);
  flaky.context?.failed(new Error('lost'));
  await clock.settle();
  await supervisor.stop();
  assert.equal(diary, ['a starts', 'a stops', 'a stops']);
  assert.is(clock.pending, 0);
});

test('a stop during the restart of a module that does not listen ends all the same', async () => {
  const { clock, supervisor, actor } = rig();
  const flaky = actor('a', { start: (_context, round) => (round === 1 ? undefined : never()) });
  await supervisor.start([flaky]);
  flaky.context?.failed(new Error('lost'));
  await clock.advance(500);
  assert.is(flaky.starts, 2);
  await supervisor.stop();
  assert.is(clock.pending, 0);
});

test('a module that does not stop is given up after 10 s and named, the others are stopped', async () => {
  const { clock, diary, supervisor, actor, logged } = rig();
  await supervisor.start([actor('a'), actor('b', { stop: never })]);
  const stopping = outcome(supervisor.stop());
  await clock.advance(9_999);
  assert.equal(diary.slice(2), ['b stops']);
  await clock.advance(1);
  assert.is(await stopping, 'done');
  assert.equal(diary.slice(2), ['b stops', 'a stops']);
  assert.equal(logged('module.stop.overdue'), [{ module: 'b', limitMs: 10_000 }]);
  assert.is(clock.pending, 0);
});

for (const [title, stop] of [
  ['rejects', () => Promise.reject(new Error('torn'))],
  [
    'throws',
    () => {
      throw new Error('torn');
    },
  ],
] as const) {
  test(`a stop that ${title} is logged and holds up nobody`, async () => {
    const { diary, supervisor, actor, logged } = rig();
    await supervisor.start([actor('a'), actor('b', { stop })]);
    await supervisor.stop();
    assert.equal(diary.slice(2), ['b stops', 'a stops']);
    assert.is((logged('module.stop.failed')[0]?.['error'] as Error).message, 'torn');
  });
}

test('health is that of the modules; one that cannot say how it is, is not well', async () => {
  const { supervisor, actor } = rig();
  const sick = actor('b', { health: () => ({ ok: false, detail: 'no broker' }) });
  const mute = actor('c', {
    health: () => {
      throw new Error('cannot say');
    },
  });
  await supervisor.start([actor('a', { health: () => ({ ok: true, detail: '3 devices' }) }), sick, mute]);
  assert.equal(supervisor.health(), {
    ok: false,
    modules: { a: { ok: true, detail: '3 devices' }, b: { ok: false, detail: 'no broker' }, c: { ok: false, detail: 'cannot say' } },
  });
  await supervisor.stop();
});

test('a module is given a log with its name', async () => {
  const { supervisor, actor, logged } = rig();
  await supervisor.start([actor('a', { start: ({ log }) => log.info('hello', { x: 1 }) })]);
  assert.equal(logged('hello'), [{ module: 'a', x: 1 }]);
  await supervisor.stop();
});

test.run();
