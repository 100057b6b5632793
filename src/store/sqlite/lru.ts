/**
 * A map that forgets entries which were not asked for lately: at least the last `entriesMax / 2` stay.
 *
 * Two generations instead of one order, so that a hit, which is nearly every call, moves nothing.
 */
export class Lru<V> {
  #recent = new Map<string, V>();
  #former = new Map<string, V>();
  readonly #generationMax: number;

  constructor(entriesMax: number) {
    this.#generationMax = Math.ceil(entriesMax / 2);
  }

  get(key: string): V | undefined {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const former = this.#former.get(key);
    if (former !== undefined) this.set(key, former);
    return former;
  }

  set(key: string, value: V): void {
    if (this.#recent.size >= this.#generationMax && !this.#recent.has(key)) {
      this.#former = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(key, value);
  }

  delete(key: string): void {
    this.#recent.delete(key);
    this.#former.delete(key);
  }

  clear(): void {
    this.#recent.clear();
    this.#former.clear();
  }
}
