import { type Query, type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { applyEvents } from "./cache";
import { onAnswer } from "./client";
import { EventsSocket, type WorkspaceEvent } from "./EventsSocket";
import { applyLive, isLive, wish } from "./live";
import { sessionQuery, workspacesQuery } from "./queries";
import { connection, isAnswered, noteAnswer } from "../shared/connection";
import { tasks, tasksAfter } from "./tasks";

export function socketUrl(path: string): string {
  const { protocol, host } = location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}${path}`;
}

/** While nothing is told, what is looked at is asked for this often; at first sooner. */
const INSTEAD_MS = 10_000;
const FIRST_INSTEAD_MS = 2_000;

const isTold = ({ queryKey }: Query): boolean =>
  queryKey[0] === workspacesQuery.queryKey[0] ||
  (queryKey[0] === "workspace" && (queryKey.length === 2 || queryKey[2] === "terminals"));

/** Returns the way to ask again and again for what the socket would tell, and to stop that. */
function askInstead(client: QueryClient): (isOn: boolean) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = () => {
    void client.refetchQueries({ type: "active", predicate: isTold });
    timer = setTimeout(turn, INSTEAD_MS);
  };
  return (isOn) => {
    if (isOn) timer ??= setTimeout(turn, FIRST_INSTEAD_MS);
    else {
      clearTimeout(timer);
      timer = undefined;
    }
  };
}

/** Keeps the page's one events socket open while its caller is shown; `onWarnings` stays the same. */
export function useEvents(onWarnings: (events: readonly WorkspaceEvent[]) => void): void {
  const client = useQueryClient();
  useEffect(() => {
    const ask = askInstead(client);
    const socket = new EventsSocket({
      url: socketUrl("/ws/nixos/events"),
      onEvents: (events) => {
        applyLive(client, events);
        const changes = events.filter((event) => !isLive(event));
        if (changes.length === 0) return;
        applyEvents(client, changes);
        tasks.set((all) => tasksAfter(all, changes));
        onWarnings(changes.filter(({ type }) => type === "workspace.idle" || type === "workspace.budget"));
      },
      onGap: () => void client.invalidateQueries(),
      onState: (state) => {
        connection.set(state);
        if (state !== "waiting") isAnswered.set(false);
        ask(state === "waiting");
      },
      onRefused: () => void client.invalidateQueries({ queryKey: sessionQuery.queryKey }),
    });
    socket.watch(wish.get());
    const forgetWish = wish.subscribe(() => socket.watch(wish.get()));
    socket.connect();
    addEventListener("online", socket.connect);
    addEventListener("offline", socket.checkNow);
    const forget = onAnswer((isThere) => {
      noteAnswer(isThere);
      if (isThere) socket.hasten();
    });
    return () => {
      ask(false);
      forgetWish();
      forget();
      removeEventListener("offline", socket.checkNow);
      removeEventListener("online", socket.connect);
      socket.close();
    };
  }, [client, onWarnings]);
}
