/** Owns the words with which mappers made with mapper-sdk-go take up and drop devices while they run (reference/mqtt-topics.md 4.2). Pure. */

export interface Word {
  readonly topic: string;
  readonly payload: string;
}

/** From what they were told to what is there now (device -> its entry): one that changed is dropped and taken up again. */
export function membershipWords(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): Word[] {
  const gone = [...before].filter(([device, entry]) => now.get(device) !== entry).map(([device]) => word(device, 'remove'));
  const come = [...now].filter(([device, entry]) => before.get(device) !== entry).map(([device]) => word(device, 'add'));
  return [...gone, ...come];
}

/** The device stands in the place of the node. */
function word(device: string, option: 'add' | 'remove'): Word {
  return { topic: `$hw/events/node/${device}/membership/updated`, payload: JSON.stringify({ option }) };
}
