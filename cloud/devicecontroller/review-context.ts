/** Owns what admission is told of the other objects, from what the devicecontroller has in memory. */
import type { Fields } from '#device-models/fields.ts';
import type { ReviewContext } from '#device-models/review.ts';
import { claimOf, isOlder, type Claim } from '#device-models/surroundings.ts';
import type { KubeObject } from '../store/kube-api.ts';
import type { DeviceBook } from './device-book.ts';

export interface ReviewSources {
  book: DeviceBook;
  model: (key: string) => KubeObject | undefined;
  node: (name: string) => KubeObject | undefined;
}

export function reviewContextOf({ book, model, node }: ReviewSources): ReviewContext {
  return {
    model,
    nodeKnown: (name) => node(name) !== undefined,
    rival: (claim) => oldestRival(book, claim),
    users: (key) => users(book, key),
  };
}

function oldestRival(book: DeviceBook, claim: Claim): Claim | undefined {
  let oldest: Claim | undefined;
  for (const view of book.claimants(claim.node, claim.name)) {
    if (view.namespace === claim.namespace) continue;
    const rival = claimOf(view.object, claim.node);
    if (oldest === undefined || isOlder(rival, oldest)) oldest = rival;
  }
  return oldest;
}

function* users(book: DeviceBook, modelKey: string): Generator<Fields> {
  for (const view of book.ofModel(modelKey)) yield view.object;
}
