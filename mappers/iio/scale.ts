/** Owns the unit of the kernel's files. */

/** DESIGN section 4: the kernel counts in thousandths. */
export const DEFAULT_SCALE = 0.001;
