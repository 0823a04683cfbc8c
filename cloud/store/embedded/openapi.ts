/** Owns the OpenAPI v3 documents: the least that lets kubectl validate on the server and explain fields. */
import { createHash } from 'node:crypto';
import { groupVersionOf } from './kinds/kind.ts';
import type { Kind } from './kinds/kind.ts';
import type { KindRegistry } from './kinds/registry.ts';
import { metadataSchema } from './kinds/schemas.ts';
import type { Schema } from './schema/schema.ts';

export interface OpenApiDocument {
  text: string;
  /** Changes with the content. */
  hash: string;
}

const METADATA = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

export class OpenApi {
  readonly #registry: KindRegistry;
  readonly #documents = new Map<string, OpenApiDocument>();
  #revision = -1;

  constructor(registry: KindRegistry) {
    this.#registry = registry;
  }

  /** `/openapi/v3`. */
  index(): Record<string, unknown> {
    const paths: Record<string, unknown> = {};
    for (const group of this.#registry.groups()) {
      for (const { version } of group.versions) {
        const path = group.name === '' ? `api/${version}` : `apis/${group.name}/${version}`;
        const document = this.document(group.name, version);
        if (document !== undefined) paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${document.hash}` };
      }
    }
    return { paths };
  }

  /** Made when first asked for, and again after a CustomResourceDefinition changed. */
  document(group: string, version: string): OpenApiDocument | undefined {
    if (this.#revision !== this.#registry.revision) {
      this.#documents.clear();
      this.#revision = this.#registry.revision;
    }
    const key = groupVersionOf({ group, version });
    const known = this.#documents.get(key);
    if (known !== undefined) return known;
    const kinds = this.#registry.version(group, version);
    if (kinds === undefined) return undefined;
    const text = JSON.stringify(documentOf(kinds));
    const made = { text, hash: createHash('sha256').update(text).digest('hex').slice(0, 32).toUpperCase() };
    this.#documents.set(key, made);
    return made;
  }
}

function documentOf(kinds: readonly Kind[]): Record<string, unknown> {
  const paths: Record<string, unknown> = {};
  const schemas: Record<string, unknown> = { [METADATA]: metadataSchema };
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
    schemas[schemaName(kind)] = { ...withMetadata(kind.schema), 'x-kubernetes-group-version-kind': [gvk] };
  }
  return { openapi: '3.0.0', info: { title: 'Hivelet', version: 'v1.32.0' }, paths, components: { schemas } };
}

/** `devices.kubeedge.io/v1beta1 Device` is `io.kubeedge.devices.v1beta1.Device`. */
function schemaName({ group, version, kind }: Kind): string {
  const domain = group === '' ? 'io.k8s.api.core' : group.split('.').reverse().join('.');
  return `${domain}.${version}.${kind}`;
}

function withMetadata(schema: Schema): Record<string, unknown> {
  const text = { type: 'string' };
  const properties = {
    ...schema.properties,
    apiVersion: { ...text, description: 'The version of this representation of the object.' },
    kind: { ...text, description: 'The kind of the object.' },
    metadata: { allOf: [{ $ref: `#/components/schemas/${METADATA}` }], default: {}, description: 'Standard metadata of every object.' },
  };
  return { ...schema, properties };
}
