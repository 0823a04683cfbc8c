/** Owns the schema of CustomResourceDefinition, whose schemas are data here. */
import { schemaOf } from '../definitions/definitions.ts';
import type { Schema } from '../schema/schema.ts';

const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer' };
const flag: Schema = { type: 'boolean' };
const time: Schema = { type: 'string', format: 'date-time', nullable: true };
const free: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

const record = (properties: Record<string, Schema>, description?: string): Schema => ({
  type: 'object',
  ...(description === undefined ? {} : { description }),
  properties,
});
const list = (items: Schema): Schema => ({ type: 'array', items });

const condition = record({ type: text, status: text, reason: text, message: text, lastTransitionTime: time, observedGeneration: whole });
const names = record({ plural: text, singular: text, shortNames: list(text), kind: text, listKind: text, categories: list(text) });

export const crdSchema = record(
  {
    apiVersion: text,
    kind: text,
    metadata: schemaOf('meta/ObjectMeta'),
    spec: record({
      group: text,
      names,
      scope: text,
      preserveUnknownFields: flag,
      conversion: record({ strategy: text, webhook: free }),
      versions: list(
        record({
          name: text,
          served: flag,
          storage: flag,
          deprecated: flag,
          deprecationWarning: text,
          schema: record({ openAPIV3Schema: free }),
          subresources: record({
            status: free,
            scale: record({ specReplicasPath: text, statusReplicasPath: text, labelSelectorPath: text }),
          }),
          additionalPrinterColumns: list(
            record({ name: text, type: text, format: text, description: text, priority: whole, jsonPath: text }),
          ),
          selectableFields: list(record({ jsonPath: text })),
        }),
      ),
    }),
    status: record({ conditions: list(condition), acceptedNames: names, storedVersions: list(text) }),
  },
  'CustomResourceDefinition makes the server serve a kind.',
);
