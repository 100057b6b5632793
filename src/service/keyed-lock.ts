/** Lets one at a time through per key, in order of arrival. */
export type KeyedLock = { run<T>(key: string, action: () => Promise<T>): Promise<T> };

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>();
  return {
    run: (key, action) => {
      const result = (tails.get(key) ?? Promise.resolve()).then(action, action);
      tails.set(key, result);
      const clear = () => {
        if (tails.get(key) === result) tails.delete(key);
      };
      result.then(clear, clear);
      return result;
    },
  };
}
