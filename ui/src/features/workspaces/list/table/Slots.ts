/**
 * Places of rows that outlive the workspaces shown in them: one that comes into sight takes the place of one that went
 * out of sight, so that scrolling changes elements and makes none.
 */
export class Slots {
  readonly #taken = new Map<string, number>();
  readonly #free: number[] = [];
  #next = 0;

  /** The place of each of the ids that are to be shown; each keeps its own for as long as it is among them. */
  take(ids: readonly string[]): number[] {
    const wanted = new Set(ids);
    for (const [id, slot] of this.#taken) {
      if (wanted.has(id)) continue;
      this.#taken.delete(id);
      this.#free.push(slot);
    }
    return ids.map((id) => {
      const slot = this.#taken.get(id) ?? this.#free.pop() ?? this.#next++;
      this.#taken.set(id, slot);
      return slot;
    });
  }
}
