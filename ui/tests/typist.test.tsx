import { cleanup, renderHook } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import type { Presence } from "../src/features/terminal/connection/wire";
import { type CursorSource, useTypistCursor } from "../src/features/terminal/people/useTypistCursor";

afterEach(cleanup);

const person = (id: number, name: string) => ({ id, name, mode: "peer" as const, colour: id, asks: false });

const PRESENCE: Presence = {
  people: [person(1, "Ann"), person(2, "Bob")],
  total: 2,
  you: 1,
  keyboard: 0,
  typist: 2,
  moderated: false,
  moderator: false,
  recorded: false,
};

/** A terminal of 80 by 20 whose cursor can be moved. */
function terminal() {
  const element = document.createElement("div");
  element.innerHTML = '<div class="xterm-screen"></div>';
  const active = { cursorX: 8, cursorY: 5, baseY: 100, viewportY: 100 };
  const placed = new Set<() => void>();
  const on = (place: () => void) => {
    placed.add(place);
    return { dispose: () => placed.delete(place) };
  };
  const source = { element, buffer: { active }, cols: 80, rows: 20, onRender: on, onScroll: on };
  const moved = (to: Partial<typeof active>) => {
    Object.assign(active, to);
    for (const place of placed) place();
  };
  return { source: source as unknown as CursorSource, element, moved, placed };
}

it("shows another's name and colour at the cursor while they type", () => {
  const { source, element, moved, placed } = terminal();
  const { rerender } = renderHook((presence: Presence) => useTypistCursor(source, presence), {
    initialProps: PRESENCE,
  });
  const shown = () => element.querySelector<HTMLElement>(".typist-cursor");
  expect(shown()?.textContent).toBe("Bob");
  expect(shown()?.dataset["colour"]).toBe("2");
  expect([shown()?.style.left, shown()?.style.top]).toEqual(["10%", "25%"]);
  moved({ cursorX: 80, cursorY: 0 });
  expect([shown()?.style.left, shown()?.style.top]).toEqual(["98.75%", "0%"]);
  moved({ viewportY: 50 }); // the reader has scrolled back
  expect(shown()?.hidden).toBe(true);
  rerender({ ...PRESENCE, typist: 0 });
  expect(shown()).toBeNull();
  rerender({ ...PRESENCE, typist: 1 }); // oneself
  expect(shown()).toBeNull();
  expect(placed.size).toBe(0);
});
