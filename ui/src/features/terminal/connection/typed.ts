/** What was typed into terminals and is not known to have arrived: outlives panes, views and reloads of the page. */

import { setWork } from "../../../shared/openWork";
import { pageName } from "../../../shared/page";
import { socketUrl } from "../../../api/useEvents";
import { InputQueue, type KeptInput } from "./InputQueue";
import { keptTyped } from "./keptTyped";
import { TerminalConnection } from "./TerminalConnection";

interface Typed {
  workspaceId: string;
  terminalId: string;
  queue: InputQueue;
  /** How many panes show the terminal. */
  panes: number;
  /** Delivers what is left while no pane does. */
  courier: TerminalConnection | null;
}

const known = new Map<string, Typed>();
const keyOf = (workspaceId: string, terminalId: string): string => `${workspaceId}/${terminalId}`;

export const terminalUrl = (workspaceId: string): string =>
  socketUrl(`/ws/nixos/workspaces/${encodeURIComponent(workspaceId)}/terminal`);

function typedOf(workspaceId: string, terminalId: string, kept?: KeptInput): Typed {
  const key = keyOf(workspaceId, terminalId);
  const typed = known.get(key) ?? {
    workspaceId,
    terminalId,
    queue: new InputQueue(kept),
    panes: 0,
    courier: null,
  };
  known.set(key, typed);
  return typed;
}

/** The queue of a terminal that is about to be shown; whoever shows it delivers what is in it. */
export function claim(workspaceId: string, terminalId: string): InputQueue {
  const typed = typedOf(workspaceId, terminalId);
  typed.courier?.close();
  typed.courier = null;
  typed.panes += 1;
  return typed.queue;
}

/** A terminal is not shown any more; what was typed into it is delivered all the same. */
export function release(workspaceId: string, terminalId: string, offset: number): void {
  const typed = known.get(keyOf(workspaceId, terminalId));
  if (!typed) return;
  typed.panes -= 1;
  if (typed.panes > 0) return;
  if (typed.queue.pending > 0) deliver(typed, offset);
  else known.delete(keyOf(workspaceId, terminalId));
}

/** Counts what waits in a terminal's queue as open work; to be called when that may have changed. */
export function noteTyped(workspaceId: string, terminalId: string, isConnected: boolean): void {
  const key = keyOf(workspaceId, terminalId);
  const queue = known.get(key)?.queue;
  const isWaiting = !isConnected && queue !== undefined && queue.pending > 0;
  setWork(
    `typed ${key}`,
    isWaiting
      ? {
          text: "work.typed",
          name: "",
          workspaceId,
          view: "terminal",
          search: { t: terminalId },
          fraction: null,
          drop: () => queue.clear(),
        }
      : null,
  );
}

/** Attaches to a terminal without showing it, until it has what was typed into it. */
function deliver(typed: Typed, offset: number): void {
  const { workspaceId, terminalId, queue } = typed;
  const end = () => {
    courier.close();
    typed.courier = null;
    setWork(`typed ${keyOf(workspaceId, terminalId)}`, null);
    if (typed.panes === 0) known.delete(keyOf(workspaceId, terminalId));
  };
  const courier = new TerminalConnection({
    url: terminalUrl(workspaceId),
    session: terminalId,
    input: queue,
    offset,
    write: (_, done) => done(),
    onGap: () => undefined,
    onResized: () => undefined,
    onDelivered: end,
    onState: (state) => {
      if (state.kind === "closed") return;
      noteTyped(workspaceId, terminalId, state.kind === "open");
      // There is nothing any more that it could be delivered to.
      if (state.kind === "failed" || state.kind === "ended") {
        queue.clear();
        end();
      }
    },
  });
  typed.courier = courier;
  courier.open(80, 24);
}

addEventListener("online", () => {
  for (const { courier } of known.values()) courier?.reconnectNow();
});

addEventListener("pagehide", () => {
  keptTyped.set(
    pageName(),
    [...known.values()]
      .filter(({ queue }) => queue.pending > 0)
      .map(({ workspaceId, terminalId, queue }) => ({ workspaceId, terminalId, input: queue.kept() })),
  );
});

// What was typed before a reload; this module is there before any terminal is shown.
for (const { workspaceId, terminalId, input } of keptTyped.take(pageName())) {
  deliver(typedOf(workspaceId, terminalId, input), 0);
}
