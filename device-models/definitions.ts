/** Owns the custom resource definitions in `crds/`: each marked with the fingerprint of its text, by which an older one in the API is known. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseDocument, type Document } from 'yaml';

/** Definitions with an annotation that begins like this came from us. */
export const OUR_ANNOTATIONS = 'hivelet.dev/';
/** The annotation with the fingerprint. */
export const CONTENT = `${OUR_ANNOTATIONS}content`;

export interface Definition {
  /** `devices.devices.kubeedge.io`. */
  name: string;
  /** As plain JSON. */
  object: { metadata: { name: string; annotations: Record<string, string> }; [field: string]: unknown };
  /** The file with its comments, and the fingerprint. */
  yaml: string;
}

/** In order of their files. */
export function readDefinitions(folder: string): Definition[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => readDefinition(path.join(folder, name)));
}

function readDefinition(file: string): Definition {
  const text = readFileSync(file, 'utf8');
  const document: Document = parseDocument(text);
  document.setIn(['metadata', 'annotations', CONTENT], createHash('sha256').update(text).digest('hex').slice(0, 16));
  const object = document.toJS() as Definition['object'];
  return { name: object.metadata.name, object, yaml: document.toString({ lineWidth: 0 }) };
}
