/** Owns what the server does by itself: the first namespaces, forgetting old events, collecting garbage, ending namespaces. */
import { randomUUID } from 'node:crypto';
import type { Timer } from '#beehive/clock.ts';
import type { KubeObject } from '../kube-api.ts';
import type { Engine } from './engine.ts';
import { timeText } from './engine.ts';
import { GarbageCollector } from './garbage/collector.ts';
import { DefinitionController } from './garbage/definition-controller.ts';
import { NamespaceController } from './garbage/namespace-controller.ts';
import { dig } from './json-value.ts';
import { prepareNamespace } from './kinds/rules.ts';
import { parseObject } from './stored-object.ts';

const FIRST_NAMESPACES = ['kube-system', 'default', 'kube-public', 'kube-node-lease'];
const MINUTE_MS = 60_000;
const EVENT_LIFE_MS = 60 * 60_000;

/** What the server does by itself while it serves. */
export class Housekeeping {
  readonly #engine: Engine;
  readonly #keepers: readonly { start(): void; stop(): Promise<void> }[];
  #timer: Timer | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#keepers = [new GarbageCollector(engine), new NamespaceController(engine), new DefinitionController(engine)];
  }

  /** Also takes up what an earlier run left undone. */
  start(): void {
    for (const keeper of this.#keepers) keeper.start();
    this.#everyMinute();
  }

  /** Resolves when nothing of it writes any more. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    await Promise.all(this.#keepers.map((keeper) => keeper.stop()));
  }

  #everyMinute(): void {
    const { clock, log, store } = this.#engine;
    this.#timer = clock.timer(MINUTE_MS, () => {
      store.window.expire(clock.monotonic());
      expireEvents(this.#engine).catch((error: unknown) => log.warn('api.events.expire_failed', { error }));
      this.#everyMinute();
    });
  }
}

/** Creates what is missing and returns the uid of kube-system, which identifies the cluster. */
export async function ensureNamespaces({ store, clock }: Engine): Promise<string> {
  const writes = FIRST_NAMESPACES.filter((name) => store.get('namespaces', '', name) === undefined).map((name) => {
    const metadata = { name, uid: randomUUID(), creationTimestamp: timeText(clock.now()) };
    const object: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata };
    prepareNamespace(object, undefined);
    return store.write({ resource: 'namespaces', object }).done;
  });
  await Promise.all(writes);
  return store.get('namespaces', '', 'kube-system')?.uid ?? '';
}

/** Events older than an hour go. Resolves after the commit. */
export async function expireEvents({ store, clock }: Engine): Promise<void> {
  const oldest = clock.now() - EVENT_LIFE_MS;
  const writes = store.list('events').flatMap((stored) => {
    const object = parseObject(stored, 'v1');
    return lastSeenMs(object) < oldest ? [store.write({ resource: 'events', object, remove: true }).done] : [];
  });
  await Promise.all(writes);
}

function lastSeenMs(object: KubeObject): number {
  const times = [
    dig(object, 'series', 'lastObservedTime'),
    dig(object, 'lastTimestamp'),
    dig(object, 'eventTime'),
    object.metadata.creationTimestamp,
  ];
  return Math.max(0, ...times.map((time) => (typeof time === 'string' ? Date.parse(time) || 0 : 0)));
}
