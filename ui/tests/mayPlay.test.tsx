import { cleanup, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DetailContext } from "../src/api/detail";
import type { WorkspaceDetail } from "../src/api/types";
import { RecordingsView } from "../src/features/recordings/RecordingsView";
import SettingsDialog from "../src/features/terminal/pane/SettingsDialog";
import { PresenceRow } from "../src/features/terminal/people/PresenceRow";
import { page } from "./page";
import { workspace } from "./workspaces";

const PRESENCE = {
  people: [],
  total: 1,
  you: 1,
  keyboard: 0,
  typist: 0,
  moderated: false,
  moderator: false,
  recorded: true,
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function shownTo(relation: WorkspaceDetail["relation"]) {
  const detail = { ...workspace({ relation }) } as unknown as WorkspaceDetail;
  return page(
    () => (
      <DetailContext value={detail}>
        <RecordingsView />
        <PresenceRow
          workspaceId={detail.id}
          presence={PRESENCE}
          terminal={undefined}
          mayType={false}
          onTell={() => undefined}
        />
        <SettingsDialog workspaceId={detail.id} onClose={() => undefined} />
      </DetailContext>
    ),
    "/workspaces",
    { [`/api/nixos/workspaces/${detail.id}/recordings`]: { recordings: [] } },
  );
}

describe("recordings", () => {
  it.each(["viewer", "reader", "watcher", "typist"] as const)(
    "are not offered to a %s, who is told why",
    async (relation) => {
      const { asked } = await shownTo(relation);
      expect(await screen.findAllByText(/Recordings are for those who may type/)).toHaveLength(2);
      expect(screen.getByText("Recorded")).toBeTruthy();
      expect(screen.queryAllByRole("link", { hidden: true })).toEqual([]);
      expect(asked.filter(({ path }) => path.includes("recordings"))).toEqual([]);
    },
  );

  it.each(["owner", "editor", "none"] as const)("are shown to: %s", async (relation) => {
    const { asked } = await shownTo(relation);
    expect(await screen.findByText("There are no recordings.")).toBeTruthy();
    expect(screen.getAllByRole("link", { hidden: true })).toHaveLength(2);
    expect(asked.some(({ path }) => path.includes("recordings"))).toBe(true);
  });
});
