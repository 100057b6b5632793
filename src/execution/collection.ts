/**
 * A map for the time of one transition: reads fall through to the stored map, the first write makes a copy, and what was
 * touched is remembered so that only this is stored.
 */
export class Collection<K extends string | number, V> {
  readonly #base: ReadonlyMap<K, V>;
  #own: Map<K, V> | null = null;
  readonly touched = new Set<K>();

  constructor(base: ReadonlyMap<K, V>) {
    this.#base = base;
  }

  get size(): number {
    return (this.#own ?? this.#base).size;
  }

  get(key: K): V | undefined {
    return (this.#own ?? this.#base).get(key);
  }

  has(key: K): boolean {
    return (this.#own ?? this.#base).has(key);
  }

  values(): IterableIterator<V> {
    return (this.#own ?? this.#base).values();
  }

  set(key: K, value: V): void {
    this.#write().set(key, value);
    this.touched.add(key);
  }

  delete(key: K): void {
    if (!this.has(key)) return;
    this.#write().delete(key);
    this.touched.add(key);
  }

  /** The map as it stands now; the collection must not be written afterwards. */
  toMap(): ReadonlyMap<K, V> {
    return this.#own ?? this.#base;
  }

  #write(): Map<K, V> {
    this.#own ??= new Map(this.#base);
    return this.#own;
  }
}
