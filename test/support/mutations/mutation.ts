/** Owns the form of one check that is taken out of the sources to see the tests notice. */
export interface Mutation {
  /** What is gone. */
  check: string;
  /** Relative to the repository. */
  file: string;
  /** Must be there exactly once. */
  from: string;
  to: string;
  tests: readonly string[];
}
