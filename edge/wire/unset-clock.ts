/** Owns which time-stamps were taken by a clock that nobody had set yet: a board without a battery boots in 1970. */

/** Older than any release: no reading was taken before. */
const FIRST_TIME = Date.UTC(2024, 0, 1);

/** Beside a time-stamp (unix ms), on MQTT and in the API. */
export function clockMetadata(timestamp: number): { clock?: 'unset' } {
  return timestamp < FIRST_TIME ? { clock: 'unset' } : {};
}
