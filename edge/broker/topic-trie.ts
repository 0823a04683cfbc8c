/** Owns the lookup from a topic to the filters that match it; with thousands of filters a scan per message would be felt. */

interface Node<Value, Owner> {
  children: Map<string, Node<Value, Owner>>;
  values: Map<Owner, Value>;
}

/** One value per (filter, owner). Filters must be valid; the `$`-rule is kept [MQTT-4.7.2-1]. */
export class TopicTrie<Value, Owner = string> {
  readonly #root: Node<Value, Owner> = node();
  #size = 0;

  /** Number of (filter, owner) pairs. */
  get size(): number {
    return this.#size;
  }

  set(filter: string, owner: Owner, value: Value): void {
    let at = this.#root;
    for (const part of filter.split('/')) {
      let next = at.children.get(part);
      if (next === undefined) at.children.set(part, (next = node()));
      at = next;
    }
    if (!at.values.has(owner)) this.#size++;
    at.values.set(owner, value);
  }

  delete(filter: string, owner: Owner): void {
    const parts = filter.split('/');
    const path = [this.#root];
    for (const part of parts) {
      const next = path.at(-1)?.children.get(part);
      if (next === undefined) return;
      path.push(next);
    }
    if (path.at(-1)?.values.delete(owner) === true) this.#size--;
    for (let depth = parts.length; depth > 0; depth--) {
      const leaf = path[depth];
      if (leaf === undefined || leaf.children.size > 0 || leaf.values.size > 0) return;
      path[depth - 1]?.children.delete(parts[depth - 1] ?? '');
    }
  }

  /** The values of all filters that match, those with `#` first. */
  match(topic: string): Value[] {
    const found: Value[] = [];
    if (this.#size > 0) collect(this.#root, { parts: topic.split('/'), depth: 0, hidden: topic.startsWith('$') }, found);
    return found;
  }
}

function collect<Value, Owner>(at: Node<Value, Owner>, where: { parts: string[]; depth: number; hidden: boolean }, found: Value[]): void {
  const { parts, depth, hidden } = where;
  const wildcards = depth > 0 || !hidden;
  const rest = wildcards ? at.children.get('#') : undefined;
  if (rest !== undefined) found.push(...rest.values.values());
  const part = parts[depth];
  if (part === undefined) {
    found.push(...at.values.values());
    return;
  }
  const below = { parts, depth: depth + 1, hidden };
  const any = wildcards ? at.children.get('+') : undefined;
  if (any !== undefined) collect(any, below, found);
  const exact = at.children.get(part);
  if (exact !== undefined) collect(exact, below, found);
}

function node<Value, Owner>(): Node<Value, Owner> {
  return { children: new Map(), values: new Map() };
}
