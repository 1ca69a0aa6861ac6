import type { Terminal } from "@xterm/xterm";
import { useEffect } from "react";
import type { Presence } from "../connection/wire";

/** What is needed of a terminal to know where its cursor is. */
export type CursorSource = Pick<Terminal, "element" | "buffer" | "cols" | "rows" | "onRender" | "onScroll">;

/** Shows at the terminal's cursor who types there now, if that is another: their name in their colour. */
export function useTypistCursor(terminal: CursorSource | undefined, presence: Presence): void {
  const typist = presence.people.find(({ id }) => id === presence.typist && id !== presence.you);
  const name = typist?.name;
  const colour = typist?.colour;
  useEffect(() => {
    const screen = terminal?.element?.querySelector(".xterm-screen");
    if (!terminal || !screen || name === undefined) return undefined;
    const cursor = document.createElement("div");
    cursor.className = "typist-cursor";
    cursor.dataset["colour"] = String(colour);
    // The row of people says it to those who do not see it.
    cursor.ariaHidden = "true";
    const label = cursor.appendChild(document.createElement("span"));
    label.className = "typist-name";
    label.textContent = name;
    const place = () => {
      const { cursorX, cursorY, baseY, viewportY } = terminal.buffer.active;
      const row = cursorY + baseY - viewportY;
      cursor.hidden = row >= terminal.rows;
      cursor.dataset["top"] = String(row === 0);
      const { style } = cursor;
      style.left = `${(100 * Math.min(cursorX, terminal.cols - 1)) / terminal.cols}%`;
      style.top = `${(100 * row) / terminal.rows}%`;
      style.width = `${100 / terminal.cols}%`;
      style.height = `${100 / terminal.rows}%`;
    };
    place();
    screen.append(cursor);
    const told = [terminal.onRender(place), terminal.onScroll(place)];
    return () => {
      for (const one of told) one.dispose();
      cursor.remove();
    };
  }, [terminal, name, colour]);
}
