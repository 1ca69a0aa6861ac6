import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ComponentProps } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { terminalsKey } from "../src/api/live";
import type { TerminalInfo } from "../src/api/terminals";
import { layoutKeeper } from "../src/features/terminal/layout/LayoutKeeper";
import type { TerminalPane } from "../src/features/terminal/pane/TerminalPane";
import { WebTerminalComponent } from "../src/features/terminal/WebTerminalComponent";

/** A click on a pane stands for its terminal's stream, which says this. */
const NEWS = { sizes: true, attached: 1, name: "", title: "", cwd: "/", process: "sleep" };

vi.mock("../src/features/terminal/pane/TerminalPane", () => ({
  TerminalPane: ({ terminalId, isNew, onNews }: ComponentProps<typeof TerminalPane>) => (
    <button type="button" data-testid="pane" data-new={isNew} onClick={() => onNews(NEWS)}>
      {terminalId}
    </button>
  ),
}));

const terminal = (id: string): TerminalInfo => ({
  id,
  name: "",
  title: "",
  process: "bash",
  cwd: "/",
  exit_status: null,
});

/** A service of which every answer comes when the test says so. */
class Held {
  there: TerminalInfo[];
  readonly waiting: { key: string; answer: (body?: unknown) => Promise<void> }[] = [];

  constructor(...ids: string[]) {
    this.there = ids.map(terminal);
  }

  readonly fetch = (path: string, init: RequestInit = {}): Promise<Response> => {
    const method = init.method ?? "GET";
    const key = `${method} ${path.split("/").slice(5).join("/")}`;
    if (key === "GET ")
      return Promise.resolve(
        Response.json({ workspace: { id: "w", name: "one", started_at: "2026-01-01T00:00:00Z" } }),
      );
    if (key === "GET terminal-layout")
      return Promise.resolve(
        Response.json({ version: 0, layout: { tabs: [], front: "", terminals: {}, boot: "" } }),
      );
    return new Promise((resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
      const answer = async (body?: unknown) => {
        await act(async () => {
          resolve(body === undefined ? new Response(null, { status: 204 }) : Response.json(body));
          await new Promise((done) => {
            setTimeout(done, 20);
          });
        });
      };
      this.waiting.push({ key, answer });
    });
  };

  /** Answers the oldest request of this kind; a list names what it is given, or what there is. */
  async answers(key: string, body?: unknown): Promise<void> {
    await waitFor(() => {
      if (!this.waiting.some((one) => one.key === key)) throw new Error(`nobody asks for ${key}`);
    });
    const at = this.waiting.findIndex((one) => one.key === key);
    const [request] = this.waiting.splice(at, 1);
    await request?.answer(body ?? (key === "GET terminals" ? { terminals: this.there } : undefined));
  }
}

let number = 0;

async function shown(service: Held) {
  number += 1;
  const workspaceId = `w${number}`;
  vi.stubGlobal("fetch", service.fetch);
  vi.stubGlobal("matchMedia", () => Object.assign(new EventTarget(), { matches: false }));
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={client}>
      <WebTerminalComponent workspaceId={workspaceId} onClose={() => undefined} />
    </QueryClientProvider>,
  );
  await service.answers("GET terminals");
  return { client, workspaceId, keeper: layoutKeeper(workspaceId) };
}

const panes = () => screen.getAllByTestId("pane").filter((one) => !one.closest("[hidden]"));
const ids = () => panes().map((one) => one.textContent);

beforeEach(() => localStorage.clear());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("terminals that come and go while lists are on their way", () => {
  it("remembers what a terminal's stream says, though a list says later what was before", async () => {
    const service = new Held("a");
    const { client, workspaceId, keeper } = await shown(service);
    const remembered = () => keeper.layout.get().terminals["a"]?.process;
    expect(remembered()).toBe("bash");
    await userEvent.click(screen.getByTestId("pane"));
    expect(remembered()).toBe("sleep");
    service.there = [{ ...terminal("a"), title: "from before" }];
    void client.invalidateQueries({ queryKey: terminalsKey(workspaceId) });
    await service.answers("GET terminals");
    expect(client.getQueryData<TerminalInfo[]>(terminalsKey(workspaceId))?.[0]?.title).toBe("from before");
    expect(remembered()).toBe("sleep");
  });

  it("puts a split where it was wanted, though a list names the terminal before its own answer comes", async () => {
    const service = new Held("a");
    const { client, workspaceId } = await shown(service);
    await userEvent.click(screen.getByRole("button", { name: "Rename" }));
    await userEvent.keyboard("first{Enter}");
    await userEvent.click(screen.getByRole("button", { name: "Split" }));
    // The name is there: the list is asked for once more, and tells of the terminal that is just being opened.
    await service.answers("PATCH terminals/a");
    service.there = [terminal("a"), terminal("b")];
    await service.answers("GET terminals");
    expect(client.getQueryData(terminalsKey(workspaceId))).toHaveLength(2);
    expect(ids()).toEqual(["a"]);
    await service.answers("POST terminals", { terminal: terminal("b") });
    expect(ids()).toEqual(["a", "b"]);
    expect(panes()[1]?.dataset.new).toBe("true");
    await service.answers("GET terminals");
    expect(ids()).toEqual(["a", "b"]);
  });

  it("keeps what was just opened, though a list from before comes after it", async () => {
    const service = new Held("a");
    const { client, workspaceId } = await shown(service);
    await userEvent.click(screen.getByRole("button", { name: "Split" }));
    await service.answers("POST terminals", { terminal: terminal("b") });
    await service.answers("GET terminals", { terminals: [terminal("a")] });
    expect(client.getQueryData(terminalsKey(workspaceId))).toHaveLength(1);
    expect(ids()).toEqual(["a", "b"]);
  });

  it("opens one terminal for two clicks before the button is drawn as busy, and another for a click after it", async () => {
    const service = new Held("a");
    await shown(service);
    const split = screen.getByRole("button", { name: "Split" });
    act(() => split.click());
    act(() => split.click());
    await waitFor(() => expect(service.waiting.map(({ key }) => key)).toContain("POST terminals"));
    expect(service.waiting.filter(({ key }) => key === "POST terminals")).toHaveLength(1);
    await service.answers("POST terminals", { terminal: terminal("b") });
    act(() => screen.getByRole("button", { name: "Split downwards" }).click());
    await service.answers("POST terminals", { terminal: terminal("c") });
    expect(ids()).toEqual(["a", "b", "c"]);
  });

  it("does not bring back what it is closing, though a list still names it", async () => {
    const service = new Held("a", "b");
    const { client, workspaceId, keeper } = await shown(service);
    const [, second] = screen.getAllByRole("button", { name: "Close bash" });
    act(() => second?.click());
    await service.answers("GET terminals"); // what runs in it is asked first
    void client.invalidateQueries({ queryKey: terminalsKey(workspaceId) });
    await service.answers("GET terminals");
    expect(keeper.layout.get().tabs).toEqual([{ terminal: "a", share: 1 }]);
    service.there = [terminal("a")];
    await service.answers("DELETE terminals/b");
    await service.answers("GET terminals");
    expect(ids()).toEqual(["a"]);
  });

  it("keeps the place of a terminal that comes after its view is left", async () => {
    const service = new Held("a");
    const { keeper } = await shown(service);
    await userEvent.click(screen.getByRole("button", { name: "Split" }));
    cleanup();
    await service.answers("POST terminals", { terminal: terminal("b") });
    expect(keeper.layout.get().tabs).toMatchObject([{ parts: [{ terminal: "a" }, { terminal: "b" }] }]);
  });
});
