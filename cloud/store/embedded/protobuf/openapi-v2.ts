/** Owns the OpenAPI v2 document in protobuf: kubectl looks there, and nowhere else, whether a `kind: List` can be validated by the server. */
import type { Kind } from '../kinds/kind.ts';

/** In Accept. */
export const OPENAPI_V2_ASKED = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
/** In Content-Type, where `@` is not allowed. */
export const OPENAPI_V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/**
 * The least that answers the question: for each kind a PATCH that takes `fieldValidation`. There are no definitions, for which clients have v3.
 * The numbers are those of the published messages of OpenAPI v2 (Document, Paths, PathItem, Operation, Parameter, NamedAny).
 */
export function openApiV2(kinds: readonly Kind[]): Buffer {
  const info = message([1, 'Hivelet'], [2, 'v1.32.0']);
  const paths = kinds.filter(({ verbs }) => verbs.includes('patch')).map((kind): Part => [2, pathOf(kind)]);
  return message([1, '2.0'], [2, info], [8, message(...paths)]);
}

function pathOf({ group, version, plural, kind, namespaced }: Kind): Buffer {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const path = `${root}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}/{name}`;
  // Parameter, not of the body, in the query, called so.
  const parameter = message([1, message([2, message([3, message([2, 'query'], [4, 'fieldValidation'])])])]);
  const yaml = `group: ${JSON.stringify(group)}\nversion: ${JSON.stringify(version)}\nkind: ${JSON.stringify(kind)}\n`;
  const extension = message([1, 'x-kubernetes-group-version-kind'], [2, message([2, yaml])]);
  return message([1, path], [2, message([8, message([8, parameter], [13, extension])])]);
}

type Part = [number: number, content: Buffer | string];

/** Fields of bytes, which is all that is needed here. */
function message(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.flatMap(([number, content]) => {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      return [varint((number << 3) | 2), varint(bytes.length), bytes];
    }),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
