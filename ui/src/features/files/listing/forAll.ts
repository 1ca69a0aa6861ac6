const AT_ONCE = 4;

/** Does something with each, a few at a time, whatever becomes of the others; returns the first failure. */
export async function forAll<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<Error | null> {
  const waiting = [...items];
  const failures: Error[] = [];
  const worker = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      try {
        await work(one);
      } catch (failure) {
        failures.push(failure instanceof Error ? failure : new Error(String(failure)));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failures[0] ?? null;
}
