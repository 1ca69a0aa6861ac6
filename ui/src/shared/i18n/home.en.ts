/** Texts of what stands in place of a list without workspaces, which are fetched with it. */
export const home = {
  "first.title": "Make your first workspace",
  "first.lead":
    "A NixOS machine of your own, with exactly the packages you name. One click, and it is ready in seconds.",
  "first.disk": "{size} disk",
  "first.custom": "New workspace with a name, sizes and packages of your choice…",
  "first.then": "Then:",
  "first.terminal": "open a terminal",
  "first.ssh": "connect by SSH",
  "first.packages": "add packages",
  "first.shared": "Nothing is shared with you now",
  "first.sharedLead":
    "You are a guest, and see here what is shared with you. Once there is something, it appears by itself.",
  "first.none": "There is no workspace yet",
  "first.noneLead": "Your role sees all workspaces, and makes none.",
} as const;
