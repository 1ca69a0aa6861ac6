import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { applyEvents } from "../api/cache";
import { EventsSocket, type EventsState } from "../api/EventsSocket";
import { sessionQuery } from "../api/queries";
import { Store } from "./Store";
import { tasks, tasksAfter } from "./tasks";

/** How the page's connection for changes is doing. */
export const eventsState = new Store<EventsState>("connecting");

export function socketUrl(path: string): string {
  const { protocol, host } = location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}${path}`;
}

/** Keeps the page's one events socket open while its caller is shown. */
export function useEvents(): void {
  const client = useQueryClient();
  useEffect(() => {
    const socket = new EventsSocket({
      url: socketUrl("/ws/nixos/events"),
      onEvents: (events) => {
        applyEvents(client, events);
        tasks.set((all) => tasksAfter(all, events));
      },
      onGap: () => void client.invalidateQueries(),
      onState: (state) => eventsState.set(state),
      onRefused: () => void client.invalidateQueries({ queryKey: sessionQuery.queryKey }),
    });
    socket.connect();
    addEventListener("online", socket.connect);
    return () => {
      removeEventListener("online", socket.connect);
      socket.close();
    };
  }, [client]);
}
