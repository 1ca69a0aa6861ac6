import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { UseBar } from "../src/features/workspaces/list/UseBar";
import { workspace } from "./workspaces";

afterEach(cleanup);

describe("UseBar", () => {
  it.each([
    [0.5, 3, "15 / 512 MB"],
    [4, 31, "1.2 / 4 GB"],
    [4, null, "– / 4 GB"],
  ])("tells what is used of %d GB in their unit", (memory, share, text) => {
    const usage = share === null ? null : { cpu_usage: 0, memory_usage: share, storage_usage: 0 };
    render(<UseBar kind="memory" usage={usage} workspace={workspace({ memory })} />);
    expect(screen.getByRole("meter", { name: "Memory" }).getAttribute("aria-valuetext")).toBe(text);
  });
});
