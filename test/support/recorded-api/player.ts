/** Owns playing recorded steps against a server of ours: values of earlier answers, states that a step supposes, what is compared. */
import { namespaces, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type RawAnswer, type RawRequest, type TestApiServer } from '../api-server.ts';
import { differences, normalise, Placeholders } from './matching.ts';
import {
  isAnswer,
  isObject,
  linesOf,
  loadRecorded,
  ourEssence,
  recordedEssence,
  type Essence,
  type RecordedRequest,
  type Step,
} from './steps.ts';

export interface Difference {
  /** `file/step`. */
  step: string;
  level: 1 | 2;
  /** Recorded and ours. */
  text: string;
}

export interface Played {
  steps: number;
  /** Steps that were compared at level 2. */
  bodies: number;
  differences: Difference[];
}

const TOKENS = [{ token: 'lowtoken', user: 'low', groups: [] }];

/** Files of which the bodies are compared too. */
const LEVEL_2 = new Set(['devices', 'configmaps', 'watch']);

/** The definitions that are installed before the first step. */
const DEFINITIONS = ['device', 'devicemodel', 'objectsync', 'clusterobjectsync'];
const WITH_DEFINITIONS = new Set(['devices', 'discovery']);

/** Answers that later steps refer to as `${x}`: file/step -> name. */
const BINDINGS = new Map([
  ['devices/create', 'rv1'],
  ['devices/label', 'rv2'],
  ['nodes/create', 'rv1'],
  ['configmaps/create', 'rv1'],
]);

/** Of these steps only a part of the body was kept. */
const PARTS = new Map<string, (body: Record<string, unknown>) => unknown>([
  ['devices/label', (body) => body['metadata']],
  ['devices/unknown-field', (body) => body['spec']],
  ['devices/preserved', (body) => (body['spec'] as Record<string, unknown>)['protocol']],
  ['devices/list-all-namespaces', ({ apiVersion, kind, metadata, items }) => ({ apiVersion, kind, metadata, names: names(items, true) })],
  ['devices/delete-collection', ({ apiVersion, kind, items }) => ({ apiVersion, kind, items: names(items) })],
  ['configmaps/delete-collection', ({ items, ...body }) => ({ ...body, items: names(items) })],
]);

/** Writes that bring our objects to where the recorded ones are after a step that differs on purpose. */
const DETOURS = new Map<string, RawRequest>([
  [
    'configmaps/json-patch-replace-missing',
    {
      method: 'PATCH',
      path: '/api/v1/namespaces/golden/configmaps/cm1',
      contentType: 'application/json-patch+json',
      body: [{ op: 'add', path: '/data/zzz', value: 'x' }],
    },
  ],
]);

/** Plays a file of steps in order against a server of its own. */
export async function playRecorded(file: string): Promise<Played> {
  const player = new Player(file);
  try {
    await player.open();
    for (const step of loadRecorded(`${file}.json`) as Step[]) await player.play(step);
    return player.played;
  } finally {
    await player.close();
  }
}

class Player {
  readonly played: Played = { steps: 0, bodies: 0, differences: [] };
  readonly #file: string;
  readonly #values = new Map<string, string>();
  readonly #placeholders = new Placeholders();
  #api: TestApiServer | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  async open(): Promise<void> {
    this.#api = await startApiServer({ tokens: TOKENS });
    await this.#api.client.create(namespaces, { metadata: { name: 'golden' } });
    if (WITH_DEFINITIONS.has(this.#file)) {
      await installDefinitions(
        this.#api.client,
        DEFINITIONS.map((name) => loadRecorded(`crds/${name}.json`) as KubeObjectInput),
      );
    }
    if (this.#file === 'watch') {
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'w0', labels: { w: 'y' } }, data: { a: '0' } };
      await this.#raw({ method: 'POST', path: '/api/v1/namespaces/golden/configmaps', contentType: 'application/json', body });
    }
    this.#values.set('rv', String(this.#api.server.stats.revision));
  }

  async close(): Promise<void> {
    await this.#api?.close();
  }

  async play(step: Step): Promise<void> {
    const { request } = step;
    if (step.id === 'restart') await this.#restart();
    if (request === undefined) return;
    const name = `${this.#file}/${step.id}`;
    const recorded = recordedEssence(step);
    const answer = await this.#ask(request, step, recorded);
    this.played.steps += 1;
    this.#bind(name, answer);
    const ours = ourEssence(answer, recorded);
    if (JSON.stringify(ours) !== JSON.stringify(recorded)) {
      this.#differs(name, 1, `recorded ${JSON.stringify(recorded)}, ours ${JSON.stringify(ours)} ${answer.text.slice(0, 300)}`);
    } else if (LEVEL_2.has(this.#file)) this.#compareBodies(name, step, answer);
    const detour = DETOURS.get(name);
    if (detour !== undefined) await this.#raw(detour);
  }

  #differs(step: string, level: 1 | 2, text: string): void {
    this.played.differences.push({ step, level, text });
  }

  #compareBodies(name: string, { response }: Step, answer: RawAnswer): void {
    const { body, events } = response;
    const recorded = normalise(Array.isArray(events) && isAnswer(events[0]) ? events[0] : (events ?? body));
    if (recorded === true || typeof recorded === 'number') return;
    this.played.bodies += 1;
    const ours = Array.isArray(recorded) && Array.isArray(events) ? eventsLike(recorded, answer) : bodyLike(name, recorded, answer);
    const found = differences(recorded, ours, this.#placeholders);
    if (found.length > 0) this.#differs(name, 2, found.join('; '));
  }

  async #ask(request: RecordedRequest, { response }: Step, recorded: Essence): Promise<RawAnswer> {
    const fill = (text: string): string => text.replace(/\$\{(\w+)\}/g, (_all, name: string) => this.#values.get(name) ?? '');
    const body = bodyOf(request.body);
    const { accept, contentType, token } = request;
    // Of a stream whose events were not kept the first one is enough.
    const expected = recorded.types?.length ?? (typeof response.events === 'string' ? 1 : undefined);
    const answering = this.#raw({
      method: request.method,
      path: fill(request.path),
      ...(accept === undefined ? {} : { accept }),
      ...(contentType === undefined ? {} : { contentType }),
      ...(body === undefined || body === null ? {} : { body: typeof body === 'string' ? body : fill(JSON.stringify(body)) }),
      ...(token === undefined || token === null ? {} : { token: token === '<none>' ? null : token }),
      ...(expected === undefined ? {} : { enough: (text: string) => linesOf(text).length >= expected }),
    });
    for (const write of request.during ?? []) await this.#raw({ contentType: 'application/json', ...write });
    return answering;
  }

  /** Remembers what later steps refer to. */
  #bind(step: string, answer: RawAnswer): void {
    const bound = BINDINGS.get(step);
    if (bound !== undefined && answer.status < 300) {
      this.#values.set(bound, (JSON.parse(answer.text) as { metadata: { resourceVersion: string } }).metadata.resourceVersion);
    }
    // The next watch was recorded from the version before the deletion that ended this one.
    if (step === 'watch/watch-from-rv') this.#values.set('rv', String((this.#api?.server.stats.revision ?? 0) - 1));
  }

  async #restart(): Promise<void> {
    const dataDir = this.#api?.dataDir;
    await this.#api?.close();
    this.#api = await startApiServer({ tokens: TOKENS, ...(dataDir === undefined ? {} : { dataDir }) });
  }

  #raw(request: RawRequest): Promise<RawAnswer> {
    if (this.#api === undefined) throw new Error('the server is not open');
    return this.#api.raw(request);
  }
}

function bodyOf(body: unknown): unknown {
  if (body === '<crds/device.json>') return loadRecorded('crds/device.json');
  if (body === '<1.1 MB of data>') return configMapOf('big', 1_100_000);
  if (body === '<3.3 MB of data>') return configMapOf('big', 3_300_000);
  if (body === '<protobuf>') return 'k8s\0';
  return body;
}

function configMapOf(name: string, size: number): unknown {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'x'.repeat(size) } };
}

/** Our body, cut to what was kept of the recorded one. */
function bodyLike(step: string, recorded: unknown, { text }: RawAnswer): unknown {
  if (!text.startsWith('{')) return text;
  const body = JSON.parse(text) as Record<string, unknown>;
  const part = PARTS.get(step);
  if (part !== undefined) return normalise(part(body));
  return Array.isArray(recorded) ? names(body['items']) : normalise(body);
}

function eventsLike(recorded: unknown[], { text }: RawAnswer): unknown[] {
  return linesOf(text).map((event, index) => {
    const like = recorded[index];
    const { type, object } = event as { type: string; object: { metadata: { name: string; generation?: number; labels?: unknown } } };
    if (typeof like === 'string') return type;
    if (Array.isArray(like)) return [type, object.metadata.name, object.metadata.generation, null];
    return normalise(event);
  });
}

function names(items: unknown, withNamespace = false): unknown {
  if (!Array.isArray(items)) return items;
  return items.map((item: unknown) => {
    const metadata = isObject(item) && isObject(item['metadata']) ? item['metadata'] : {};
    const name = String(metadata['name']);
    return withNamespace ? `${String(metadata['namespace'])}/${name}` : name;
  });
}
