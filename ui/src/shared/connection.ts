import { Store } from "./Store";

export type ConnectionState = "connecting" | "open" | "waiting" | "closed";

/** How the page's connection for changes is doing. */
export const connection = new Store<ConnectionState>("connecting");

/** Whether the service has answered the last that was asked since that connection was lost. */
export const isAnswered = new Store(false);

/** Notes that a request was answered, or was not: an answer that was under way when the network went says nothing. */
export function noteAnswer(isThere: boolean): void {
  isAnswered.set(isThere && connection.get() === "waiting" && navigator.onLine);
}
