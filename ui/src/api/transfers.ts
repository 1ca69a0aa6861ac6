import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request, workspacePath } from "./client";
import { workspacesQuery } from "./queries";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Offer = Schemas["OfferAnswer"];

/** Workspaces that are offered to the signed-in person, and by them. */
export const transfersQuery = queryOptions({
  queryKey: ["transfers"],
  queryFn: ({ signal }) => request<Schemas["TransferList"]>("GET", "/api/nixos/transfers", { signal }),
});

/** Offers a workspace to another owner; nothing changes before they accept. An administrator's is theirs at once. */
export const offerWorkspace = (workspaceId: string, to: string): Promise<unknown> =>
  request("POST", workspacePath(workspaceId, "transfer"), { body: { to } });

export const withdrawOffer = (workspaceId: string): Promise<unknown> =>
  request("DELETE", workspacePath(workspaceId, "transfer"));

/** Accepts or refuses an offered workspace; secrets of one's own stay out of it. */
export function useAnswerOffer() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ offer, verb }: { offer: Offer; verb: "accept" | "refuse" }) =>
      request<unknown>("POST", `/api/nixos/transfers/${encodeURIComponent(offer.workspace_id)}/${verb}`, {
        body: {},
      }),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: transfersQuery.queryKey }),
        client.invalidateQueries({ queryKey: workspacesQuery.queryKey }),
      ]),
  });
}
