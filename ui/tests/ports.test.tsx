import { fireEvent, screen, waitFor } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { isPage, openPath, openPortPath, type Port } from "../src/api/ports";
import { openSearchOf } from "../src/features/ports/search";
import { VisibilityDialog } from "../src/features/ports/VisibilityDialog";
import { localeStore } from "../src/shared/i18n/messages";
import { page } from "./page";

const ID = "ws-000000000001";

function port(change: Partial<Port> = {}): Port {
  return {
    port: 3000,
    listening: true,
    program: "node",
    protocol: "http",
    addresses: ["127.0.0.1"],
    since: "2026-01-01T00:00:00.000Z",
    visibility: "private",
    shown_program: "",
    expires_at: null,
    url: "http://3000--one.localhost:5000/",
    ...change,
  };
}

const search = (path: string) =>
  openSearchOf(Object.fromEntries(new URLSearchParams(path.slice(path.indexOf("?")))));

beforeEach(() => localeStore.set("en"));

describe("a port", () => {
  it("is a page where something listens that speaks HTTP, as far as can be guessed", () => {
    expect(isPage(port())).toBe(true);
    expect(isPage(port({ protocol: "tcp" }))).toBe(false);
    expect(isPage(port({ listening: false }))).toBe(false);
    expect(isPage(port({ url: null }))).toBe(false);
  });

  it("is opened by an address of this page, which reads back what was wanted", () => {
    expect(search(openPath("http://a--b.localhost/x?y=1&z=2"))).toEqual({
      to: "http://a--b.localhost/x?y=1&z=2",
    });
    expect(search(openPortPath(ID, 80, "/a?b=c"))).toEqual({ workspace: ID, port: 80, path: "/a?b=c" });
    expect(openSearchOf({ port: "no", to: 3 })).toEqual({});
  });
});

describe("who sees a port", () => {
  it("is chosen, and a link is shown with its copy button, once", async () => {
    const link = "http://3000--one.localhost:5000/.nixws/link?key=secret";
    const onClose = vi.fn<() => void>();
    const { asked } = await page(
      () => <VisibilityDialog workspaceId={ID} port={port()} onClose={onClose} />,
      "/workspaces",
      { [`/api/nixos/workspaces/${ID}/ports/3000`]: { port: port({ visibility: "link" }), link } },
    );
    expect(screen.getByRole<HTMLInputElement>("radio", { name: /Only me/ }).checked).toBe(true);
    fireEvent.click(screen.getByRole("radio", { name: /Anyone with the link/ }));
    fireEvent.change(screen.getByRole("combobox"), { target: { value: "3600" } });
    fireEvent.click(screen.getByRole("button", { name: "Make a link" }));
    expect(await screen.findByText(link)).toBeTruthy();
    expect(asked.find((one) => one.method === "PUT")?.body).toEqual({
      visibility: "link",
      expires_in: 3600,
    });
    expect(onClose).not.toHaveBeenCalled();
    expect(screen.getByRole("button", { name: "Copy" })).toBeTruthy();
  });

  it("closes when nothing else is to be told", async () => {
    const onClose = vi.fn<() => void>();
    await page(
      () => <VisibilityDialog workspaceId={ID} port={port({ visibility: "link" })} onClose={onClose} />,
      "/workspaces",
      { [`/api/nixos/workspaces/${ID}/ports/3000`]: { port: port(), link: null } },
    );
    fireEvent.click(screen.getByRole("radio", { name: /Only me/ }));
    fireEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(onClose).toHaveBeenCalled());
  });
});
