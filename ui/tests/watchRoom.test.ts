import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchRoom } from "../src/features/terminal/pane/watchRoom";

let changed = () => {};
let room = { width: 800 };
const element = {
  get clientWidth() {
    return room.width;
  },
} as HTMLElement;
const fit = vi.fn<() => void>();
let isOwnSize = true;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(callback: () => void) {
        changed = callback;
      }
      observe() {}
      disconnect() {}
    },
  );
  vi.stubGlobal("innerWidth", 1000);
  room = { width: 800 };
  isOwnSize = true;
  fit.mockClear();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("another width is fitted to at once, unless another window has the size", () => {
  watchRoom(element, { isOwnSize: () => isOwnSize, fit });
  room.width = 700;
  changed();
  expect(fit).toHaveBeenCalledTimes(1);
  isOwnSize = false;
  room.width = 600;
  changed();
  expect(fit).toHaveBeenCalledTimes(1);
  vi.stubGlobal("innerWidth", 900);
  room.width = 500;
  changed();
  expect(fit).toHaveBeenCalledTimes(2);
});

test("a row beside the pane does not take the size from the window that was just opened", () => {
  const end = watchRoom(element, { isOwnSize: () => isOwnSize, fit });
  changed();
  isOwnSize = false;
  vi.runAllTimers();
  expect(fit).not.toHaveBeenCalled();
  isOwnSize = true;
  changed();
  vi.runAllTimers();
  expect(fit).toHaveBeenCalledTimes(1);
  changed();
  end();
  vi.runAllTimers();
  expect(fit).toHaveBeenCalledTimes(1);
});
