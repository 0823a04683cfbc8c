/** Owns the sample devices of the demo: applied as `kubectl apply` would, and waited for. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse, parseDocument } from 'yaml';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { fieldsOf } from '#device-models/fields.ts';
import { deviceModels, devices, isKubeError, type KubeApi, type KubeObject } from '../../../cloud/store/kube-api.ts';
import type { TwinSource } from '../twins/source.ts';

const SAMPLES = path.join(import.meta.dirname, '../../../device-models/samples');
const FILES = ['modbus-thermostat-model.yaml', 'dht11-model.yaml', 'modbus-thermostat.yaml', 'dht11.yaml'] as const;
const TAG_FILES = ['sensortag-model.yaml', 'sensortag.yaml'] as const;
const USUAL_MODBUS_PORT = 1502;

/** Copies the samples into `folder`, with the thermostat at another port if it is not the usual one; comments stay. */
export function prepareSamples(folder: string, { modbusPort, tag }: { modbusPort: number; tag: boolean }): string[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!tag) for (const name of TAG_FILES) rmSync(path.join(folder, name), { force: true });
  return [...FILES, ...(tag ? TAG_FILES : [])].map((name) => {
    const text = readFileSync(path.join(SAMPLES, name), 'utf8');
    const file = path.join(folder, name);
    writeFileSync(file, modbusPort === USUAL_MODBUS_PORT ? text : withPort(text, modbusPort), { mode: 0o600 });
    return file;
  });
}

function withPort(text: string, port: number): string {
  const document = parseDocument(text);
  const place = ['spec', 'protocol', 'common', 'tcp', 'port'];
  if (document.hasIn(place)) document.setIn(place, port);
  return document.toString({ lineWidth: 0 });
}

/** Creates what is missing; of what is there only the definition is replaced, so that desired and reported values stay. */
export async function applySamples(api: KubeApi, files: readonly string[], signal: AbortSignal): Promise<void> {
  for (const file of files) {
    const object = parse(readFileSync(file, 'utf8')) as KubeObject;
    const type = object.kind === 'Device' ? devices : deviceModels;
    const { name, namespace = 'default' } = object.metadata;
    const annotations = { [LAST_APPLIED]: lastApplied(object) };
    try {
      await api.create(type, { ...object, metadata: { ...object.metadata, namespace, annotations } }, { signal });
    } catch (error) {
      if (!isKubeError(error, 'AlreadyExists')) throw error;
      await api.patch(type, { namespace, name }, { type: 'merge', body: { metadata: { annotations }, spec: object['spec'] }, signal });
    }
  }
}

/** Where kubectl remembers what was applied: with it, `kubectl apply` of the same file finds nothing to change. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The text as kubectl writes it: sorted keys, an empty `annotations`, a line end, and Go's escapes. */
export function lastApplied(object: KubeObject): string {
  const plain = { ...object, metadata: { annotations: {}, ...object.metadata } };
  const sorted = (_key: string, value: unknown): unknown => {
    const fields = fieldsOf(value);
    return fields === undefined ? value : Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${JSON.stringify(plain, sorted).replaceAll(/[<>&\u2028\u2029]/g, escape)}\n`;
}

export interface Awaited {
  source: TwinSource;
  clock: Clock;
  signal: AbortSignal;
  withinMs: number;
}

/** Looks ten times a second until `done`; throws BUS_TIMEOUT with what is still missing. */
export async function waitUntil(look: () => Promise<string | undefined>, { clock, signal, withinMs }: Awaited): Promise<void> {
  const endMs = clock.monotonic() + withinMs;
  for (;;) {
    const missing = await look();
    if (missing === undefined) return;
    if (clock.monotonic() >= endMs) throw new HiveletError('BUS_TIMEOUT', `after ${withinMs / 1000} s ${missing}`);
    await clock.sleep(100, signal);
  }
}

/** What is missing until every property of the device has been reported, or undefined. */
export async function missingReport(source: TwinSource, device: string): Promise<string | undefined> {
  const { device: line, twins } = await source.twins(device);
  const silent = twins.filter(({ reported }) => reported === undefined).map(({ property }) => property);
  if (twins.length > 0 && silent.length === 0) return undefined;
  return `${device} has not reported ${silent.join(', ') || 'anything'}${line.note === '' ? '' : ` (${line.note})`}`;
}
