/** Owns label selectors as objects (`matchLabels`, `matchExpressions`), in the meaning of Kubernetes. */
import { isRecord, listAt, own, textAt } from './json-value.ts';

export type Labels = Readonly<Record<string, string>> | undefined;
export type LabelsTest = (labels: Labels) => boolean;

/** Undefined for an absent or empty selector: it matches everything. An operator that nobody knows matches nothing. */
export function labelsTest(selector: unknown): LabelsTest | undefined {
  const equal = own(selector, 'matchLabels');
  const tests = [
    ...Object.entries(isRecord(equal) ? equal : {}).map(
      ([key, value]): LabelsTest =>
        (labels) =>
          own(labels, key) === value,
    ),
    ...listAt(selector, 'matchExpressions').map(expressionTest),
  ];
  return tests.length === 0 ? undefined : (labels) => tests.every((test) => test(labels));
}

function expressionTest(expression: unknown): LabelsTest {
  const key = textAt(expression, 'key');
  const values = new Set(listAt(expression, 'values'));
  switch (textAt(expression, 'operator')) {
    case 'In':
      return (labels) => own(labels, key) !== undefined && values.has(own(labels, key));
    case 'NotIn':
      return (labels) => !values.has(own(labels, key));
    case 'Exists':
      return (labels) => own(labels, key) !== undefined;
    case 'DoesNotExist':
      return (labels) => own(labels, key) === undefined;
    default:
      return () => false;
  }
}
