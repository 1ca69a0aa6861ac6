import { useSyncExternalStore } from "react";

/** The time, told again every `period` milliseconds while somebody looks. */
class Clock {
  readonly #listeners = new Set<() => void>();
  readonly #period: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #now = Date.now();

  constructor(period: number) {
    this.#period = period;
  }

  read = (): number => this.#now;

  subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) {
      this.#now = Date.now();
      this.#timer = setInterval(this.#tick, this.#period);
    }
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearInterval(this.#timer);
    };
  };

  #tick = (): void => {
    this.#now = Date.now();
    for (const listener of this.#listeners) listener();
  };
}

/** For "5 minutes ago". */
export const slowClock = new Clock(30_000);
/** For countdowns. */
export const fastClock = new Clock(250);

/** The present time in milliseconds since 1970, as exact as the clock's period. */
export const useNow = (clock: Clock = slowClock): number => useSyncExternalStore(clock.subscribe, clock.read);
