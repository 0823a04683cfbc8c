/** Owns the list of golden steps in which we differ from KubeEdge v1.9.1 on purpose: step, defect, fields, reason. A difference that is not listed fails. */

export interface GoldenDifference {
  step: string;
  /** Number in reference/defects.md, or the clause of DESIGN section 4. */
  defect: string;
  /** Paths of the comparison in which the step may differ. */
  fields: RegExp;
  reason: string;
}

export const goldenDifferences: readonly GoldenDifference[] = [
  {
    step: '02',
    defect: 'T18',
    fields: /^mqtt\/sensor\//,
    reason: 'a float twin without a desired value is created without `expected` instead of being refused',
  },
  { step: '15', defect: 'T11', fields: /^(mqtt\/thermo|hub)\//, reason: '`double` is a type' },
  { step: '16', defect: 'T11, T14', fields: /^mqtt\/thermo\//, reason: 'the double twin of step 15 exists; the time of `actual` is kept' },
  { step: '18', defect: 'T11, T14', fields: /^mqtt\/thermo\//, reason: 'as step 16' },
  { step: '21', defect: 'T11, T14', fields: /^mqtt\/thermo\//, reason: 'as step 16' },
  { step: '24', defect: 'T18', fields: /^mqtt\/sensor\//, reason: 'the float twin of step 02 exists' },
  {
    step: '30',
    defect: 'T10',
    fields: /^(mqtt\/led-light|hub)\//,
    reason: 'an equal report is answered, but it is no change: no document, nothing upstream',
  },
  {
    step: '32',
    defect: 'T10',
    fields: /^(mqtt\/led-light|hub)\//,
    reason: 'only the property that changed is documented and sent upstream',
  },
];
