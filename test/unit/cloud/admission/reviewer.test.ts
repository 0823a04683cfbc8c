/** Owns the proof that admission judges by the caches, asks the API where these may be behind, and is mild while they are empty. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Reviewer, type ReviewerOptions } from '#cloud/admission/reviewer.ts';
import { keyOf, type KubeApi, type KubeObject } from '#cloud/store/kube-api.ts';
import type { ReviewContext } from '#device-models/review.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';

const nothing: ReviewContext = { model: () => undefined, nodeKnown: () => false, rival: () => undefined, users: () => [] };
const node: KubeObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'pi' } };

async function warningsFor(
  object: KubeObject,
  parts: { objects?: KubeObject[]; context?: ReviewContext; broken?: boolean; inProcess?: boolean },
): Promise<unknown> {
  const known = new Map((parts.objects ?? []).map((each) => [`${each.kind} ${keyOf(each.metadata)}`, each]));
  const asked: string[] = [];
  const get: KubeApi['get'] = (type, name) => {
    const key = `${type.kind} ${keyOf(name)}`;
    asked.push(key);
    const found = known.get(key);
    return found === undefined || parts.broken === true ? Promise.reject(new Error('gone')) : Promise.resolve(found);
  };
  const api: KubeApi = Object.assign(new MemoryKubeApi(), { get });
  const within = () => ({ signal: new AbortController().signal, done: () => undefined });
  const find: ReviewerOptions['find'] = (type, name) => known.get(`${type.kind} ${keyOf(name)}`);
  const reviewer = new Reviewer({ api, context: () => parts.context, within, ...(parts.inProcess === true ? { find } : {}) });
  const kind = { group: 'devices.kubeedge.io', version: 'v1alpha2', kind: object.kind };
  const review = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: { uid: 'u', kind, object, oldObject: null } };
  const { response } = (await reviewer.answer(review)) as { response: { allowed: boolean; warnings?: string[] } };
  return { allowed: response.allowed, warnings: (response.warnings ?? []).map((text) => text.split(':')[0]), asked };
}

test('a model and node that the watch has not shown yet are found in the API, and no warning is given', async () => {
  const found = await warningsFor(thermostat(), { context: nothing, objects: [thermostatModel(), node] });
  assert.equal(found, { allowed: true, warnings: [], asked: ['DeviceModel default/therm', 'Node pi'] });
});

test('where the API is in the same process its objects are looked at without a request', async () => {
  const found = await warningsFor(thermostat(), { context: nothing, objects: [thermostatModel(), node], inProcess: true });
  assert.equal(found, { allowed: true, warnings: [], asked: [] });
  const missing = (await warningsFor(thermostat(), { context: nothing, inProcess: true })) as { warnings: string[]; asked: string[] };
  assert.equal([missing.warnings.length, missing.asked], [2, []]);
});

test('what is nowhere is warned of, also when the API does not answer', async () => {
  const path = 'spec.nodeSelector.nodeSelectorTerms[0].matchExpressions[0].values[0]';
  for (const broken of [false, true]) {
    const found = await warningsFor(thermostat(), { context: nothing, broken });
    assert.equal(found, { allowed: true, warnings: ['spec.deviceModelRef.name', path], asked: ['DeviceModel default/therm', 'Node pi'] });
  }
});

test('what the caches know is not asked for', async () => {
  const context: ReviewContext = { ...nothing, model: () => thermostatModel(), nodeKnown: () => true };
  assert.equal(await warningsFor(thermostat(), { context }), { allowed: true, warnings: [], asked: [] });
});

test('while the caches are empty nothing is said of other objects, and what can never work is refused all the same', async () => {
  assert.equal(await warningsFor(thermostat(), {}), { allowed: true, warnings: [], asked: [] });
  const broken = thermostatModel({ maximum: -1 });
  assert.equal(await warningsFor(broken, {}), { allowed: false, warnings: [], asked: [] });
});

test.run();
