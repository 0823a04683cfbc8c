/** Owns the rows of the kinds that are questions: answered when they are created, never stored. */
import type { Row } from './row.ts';

const review = { columns: [], verbs: ['create'] } as const;
const authorization = { ...review, group: 'authorization.k8s.io', namespaced: false } as const;

export const reviewRows: readonly Row[] = [
  {
    ...authorization,
    plural: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    definition: 'authorization/SelfSubjectAccessReview',
  },
  {
    ...authorization,
    plural: 'selfsubjectrulesreviews',
    kind: 'SelfSubjectRulesReview',
    definition: 'authorization/SelfSubjectRulesReview',
  },
  { ...authorization, plural: 'subjectaccessreviews', kind: 'SubjectAccessReview', definition: 'authorization/SubjectAccessReview' },
  {
    ...authorization,
    namespaced: true,
    plural: 'localsubjectaccessreviews',
    kind: 'LocalSubjectAccessReview',
    definition: 'authorization/LocalSubjectAccessReview',
  },
  {
    ...review,
    group: 'authentication.k8s.io',
    namespaced: false,
    plural: 'selfsubjectreviews',
    kind: 'SelfSubjectReview',
    definition: 'authentication/SelfSubjectReview',
  },
];
