import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Table } from "../src/ui/Table";
import { WideBox } from "../src/ui/WideBox";

const sizes = { content: 0 };

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "scrollWidth", "get").mockImplementation(() => sizes.content);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(300);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const table = (rows: number[]) => (
  <Table
    label="Quotas"
    columns={[{ key: "of", head: "Of", cell: (row: number) => row }]}
    rows={rows}
    keyOf={(row) => row}
  />
);
const box = () => screen.getByRole("group", { name: "Quotas" });

it("is reached by the keyboard at once where it does not fit, and with the rows that came", () => {
  sizes.content = 300;
  const { rerender } = render(table([]));
  expect(box().hasAttribute("tabindex")).toBe(false);
  sizes.content = 500;
  rerender(table([1]));
  expect(box().tabIndex).toBe(0);
  sizes.content = 300;
  rerender(table([]));
  expect(box().hasAttribute("tabindex")).toBe(false);
});

it("is no part of the page of its own without a name", () => {
  render(<WideBox>text</WideBox>);
  expect(screen.queryByRole("group")).toBeNull();
});
