/** Owns reading YAML fixtures as one of the two YAML generations reads them. */
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

/** The documents of a file under test/fixtures/yaml; `version: '1.1'` reads bare ON and OFF as booleans, as kubectl does. */
export function yamlFixture(name: string, version: '1.1' | '1.2' = '1.2'): Record<string, unknown>[] {
  return yamlDocuments(readFileSync(new URL(`../fixtures/yaml/${name}`, import.meta.url), 'utf8'), version);
}

export function yamlDocuments(text: string, version: '1.1' | '1.2' = '1.2'): Record<string, unknown>[] {
  // A round trip through JSON, because that is what an API server is given.
  return parseAllDocuments(text, { version }).map((document) => JSON.parse(JSON.stringify(document.toJS())) as Record<string, unknown>);
}
