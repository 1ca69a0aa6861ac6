import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { reasonOf } from "../../api/mutations";
import { sessionQuery } from "../../api/queries";
import { type Offer, transfersQuery, useAnswerOffer } from "../../api/transfers";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";

addEnglish(more);

/** The workspaces that others offer, to be accepted or refused. */
export function OffersBanner() {
  const t = useT();
  const { data: session } = useQuery(sessionQuery);
  const role = session?.role;
  const { data } = useQuery({ ...transfersQuery, enabled: role === "admin" || role === "member" });
  const answer = useAnswerOffer();
  const [asked, setAsked] = useState<Offer | null>(null);
  const send = (offer: Offer, verb: "accept" | "refuse") =>
    answer.mutate(
      { offer, verb },
      {
        onSuccess: () =>
          tell("success", t(verb === "accept" ? "offer.accepted" : "offer.refused", { name: offer.name })),
        onError: (failure) => tell("error", reasonOf(failure)),
        onSettled: () => setAsked(null),
      },
    );
  return (
    <>
      {data?.received.map((offer) => (
        <div key={offer.workspace_id} className="banner" role="status">
          {t("offer.text", { name: offer.name, owner: offer.owner })}{" "}
          <Button disabled={answer.isPending} onClick={() => setAsked(offer)}>
            {t("offer.accept")}
          </Button>{" "}
          <Button disabled={answer.isPending} onClick={() => send(offer, "refuse")}>
            {t("offer.refuse")}
          </Button>
        </div>
      ))}
      {asked && (
        <Confirm
          title={t("offer.title", { name: asked.name })}
          description={t("offer.caution")}
          verb={t("offer.accept")}
          isBusy={answer.isPending}
          onConfirm={() => send(asked, "accept")}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}
