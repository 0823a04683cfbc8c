/** Owns the rules of MQTT topic names and topic filters (MQTT 3.1.1 section 4.7). */

/** Levels above this are refused: the matcher of the broker library throws on more than 100. */
export const MAX_TOPIC_LEVELS = 100;

const DOLLAR = 36;

/** What is wrong with a topic name to publish to; undefined when nothing is. */
export function topicFault(topic: string): string | undefined {
  if (topic.length === 0) return 'the topic is empty';
  if (topic.includes('#') || topic.includes('+')) return 'the topic holds a wildcard';
  if (topic.includes('\0')) return 'the topic holds a NUL character';
  return levels(topic) > MAX_TOPIC_LEVELS ? `the topic has more than ${MAX_TOPIC_LEVELS} levels` : undefined;
}

/** What is wrong with a topic filter to subscribe to; undefined when nothing is. */
export function filterFault(filter: string): string | undefined {
  if (filter.length === 0) return 'the filter is empty';
  if (filter.includes('\0')) return 'the filter holds a NUL character';
  const parts = filter.split('/');
  if (parts.length > MAX_TOPIC_LEVELS) return `the filter has more than ${MAX_TOPIC_LEVELS} levels`;
  for (const [index, part] of parts.entries()) {
    if (part.includes('#') && (part !== '#' || index !== parts.length - 1)) return '# must be the last level of the filter';
    if (part.includes('+') && part !== '+') return '+ must fill a whole level of the filter';
  }
  return undefined;
}

/** True when a filter begins with a wildcard and the topic with `$`: such a pair never matches [MQTT-4.7.2-1]. */
export function hiddenFrom(filter: string, topic: string): boolean {
  if (topic.charCodeAt(0) !== DOLLAR) return false;
  return filter.startsWith('#') || filter.startsWith('+');
}

export function hasWildcard(filter: string): boolean {
  return filter.includes('#') || filter.includes('+');
}

/** Whether a valid filter matches a valid topic name, `$`-rule included. */
export function matches(filter: string, topic: string): boolean {
  if (hiddenFrom(filter, topic)) return false;
  const wanted = filter.split('/');
  const given = topic.split('/');
  for (const [index, part] of wanted.entries()) {
    if (part === '#') return true;
    if (index >= given.length || (part !== '+' && part !== given[index])) return false;
  }
  return wanted.length === given.length;
}

function levels(topic: string): number {
  let count = 1;
  for (let i = topic.indexOf('/'); i !== -1; i = topic.indexOf('/', i + 1)) count++;
  return count;
}
