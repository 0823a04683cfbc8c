/** Owns what the steps of the contract say about answers. */
import * as assert from 'uvu/assert';
import { KubeError, type KubeList, type KubeObject, type WatchEvent } from '#cloud/store/kube-api.ts';

/** The refusal itself, or a failure of the test. */
export async function refused(call: Promise<unknown>, code: number, reason: string): Promise<KubeError> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    assert.equal([error.code, error.reason], [code, reason], error.message);
    return error;
  }
  throw new Error(`${reason} was expected, and it was done`);
}

/** A cluster puts one of its own into every namespace. */
export function namesOf({ items }: KubeList): string[] {
  return items.map(({ metadata }) => metadata.name).filter((name) => name !== 'kube-root-ca.crt');
}

/** `added w1`, `bookmark`; `count` of them that are about objects, or less when the stream ends. */
export async function eventsOf(watch: AsyncIterable<WatchEvent>, count: number): Promise<{ told: string[]; objects: KubeObject[] }> {
  const told: string[] = [];
  const objects: KubeObject[] = [];
  for await (const event of watch) {
    if (event.type === 'bookmark' || event.object.metadata.name === 'kube-root-ca.crt') continue;
    told.push(`${event.type} ${event.object.metadata.name}`);
    objects.push(event.object);
    if (told.length >= count) break;
  }
  return { told, objects };
}

export function sectionOf(object: KubeObject, field: 'spec' | 'status' | 'data'): Record<string, unknown> {
  const section = object[field];
  return section !== null && typeof section === 'object' ? (section as Record<string, unknown>) : {};
}
