/** Owns the OpenAPI v3 documents: what lets kubectl validate on the server and explain fields. */
import { createHash } from 'node:crypto';
import { documentName, documentSchemas } from './definitions/definitions.ts';
import { descriptionsDigest, typeRows } from './definitions/type-rows.ts';
import { groupVersionOf } from './kinds/kind.ts';
import type { Kind } from './kinds/kind.ts';
import type { KindRegistry } from './kinds/registry.ts';
import type { Schema } from './schema/schema.ts';

export interface OpenApiDocument {
  text: string;
  /** Changes with the content. */
  hash: string;
}

const METADATA = 'meta/ObjectMeta';
/** Goes up when documents are built in another way from the same content. */
const FORM = 1;

export class OpenApi {
  readonly #registry: KindRegistry;
  readonly #hashes = new Map<string, string>();
  #builtinDigest: string | undefined;
  #revision = -1;

  constructor(registry: KindRegistry) {
    this.#registry = registry;
  }

  /** `/openapi/v3`. No document is made for it. */
  index(): Record<string, unknown> {
    const paths: Record<string, unknown> = {};
    for (const group of this.#registry.groups()) {
      for (const { version, kinds } of group.versions) {
        const path = group.name === '' ? `api/${version}` : `apis/${group.name}/${version}`;
        paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${this.#hashOf(group.name, version, kinds)}` };
      }
    }
    return { paths };
  }

  /** Made anew each time: kubectl keeps it by its hash. */
  async document(group: string, version: string): Promise<OpenApiDocument | undefined> {
    const kinds = this.#registry.version(group, version);
    if (kinds === undefined) return undefined;
    const hash = this.#hashOf(group, version, kinds);
    return { text: JSON.stringify(await documentOf(kinds)), hash };
  }

  /** Of what the document is made from; known until a CustomResourceDefinition changes. */
  #hashOf(group: string, version: string, kinds: readonly Kind[]): string {
    if (this.#revision !== this.#registry.revision) {
      this.#hashes.clear();
      this.#revision = this.#registry.revision;
    }
    const key = groupVersionOf({ group, version });
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    this.#builtinDigest ??= digest(typeRows + descriptionsDigest);
    const parts = kinds.map((kind) => [kind.plural, kind.kind, kind.namespaced, kind.definition ?? kind.schema]);
    const made = digest(JSON.stringify([FORM, this.#builtinDigest, key, parts]))
      .slice(0, 32)
      .toUpperCase();
    this.#hashes.set(key, made);
    return made;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function documentOf(kinds: readonly Kind[]): Promise<Record<string, unknown>> {
  const paths: Record<string, unknown> = {};
  const definitions = kinds.flatMap(({ definition }) => definition ?? []);
  const schemas: Record<string, unknown> = await documentSchemas([METADATA, 'meta/DeleteOptions', ...definitions]);
  for (const kind of kinds) {
    const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
    const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
    const collection = `${root}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.plural}`;
    const operation = (action: string): Record<string, unknown> => ({
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': gvk,
      parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({ name, in: 'query', schema: { type: 'string' } })),
    });
    paths[collection] = { post: operation('post') };
    paths[`${collection}/{name}`] = { put: operation('put'), patch: operation('patch') };
    const name = schemaName(kind);
    const content = kind.definition === undefined ? withMetadata(kind.schema) : (schemas[name] as Schema);
    schemas[name] = { ...content, 'x-kubernetes-group-version-kind': [gvk] };
  }
  return { openapi: '3.0.0', info: { title: 'Hivelet', version: 'v1.32.0' }, paths, components: { schemas } };
}

/** `devices.kubeedge.io/v1beta1 Device` is `io.kubeedge.devices.v1beta1.Device`. */
function schemaName({ group, version, kind, definition }: Kind): string {
  return definition === undefined ? `${group.split('.').reverse().join('.')}.${version}.${kind}` : documentName(definition);
}

function withMetadata(schema: Schema): Record<string, unknown> {
  const text = { type: 'string' };
  const properties = {
    ...schema.properties,
    apiVersion: { ...text, description: 'The version of this representation of the object.' },
    kind: { ...text, description: 'The kind of the object.' },
    metadata: {
      allOf: [{ $ref: `#/components/schemas/${documentName(METADATA)}` }],
      default: {},
      description: 'Standard metadata of every object.',
    },
  };
  return { ...schema, properties };
}
