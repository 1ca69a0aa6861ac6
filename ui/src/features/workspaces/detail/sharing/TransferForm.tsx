import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { useSession } from "../../../../api/abilities";
import { reasonOf } from "../../../../api/mutations";
import { workspacesQuery } from "../../../../api/queries";
import { offerWorkspace, transfersQuery, withdrawOffer } from "../../../../api/transfers";
import { useT } from "../../../../shared/i18n/messages";
import { Button } from "../../../../ui/Button";
import { Field } from "../../../../ui/Field";

/** Offers a workspace to another owner, or takes the offer back; nothing changes before they accept. */
export function TransferForm({ workspaceId }: { workspaceId: string }) {
  const t = useT();
  const client = useQueryClient();
  const [to, setTo] = useState("");
  const isAtOnce = useSession()?.role === "admin";
  const { data } = useQuery(transfersQuery);
  const offer = data?.made.find((one) => one.workspace_id === workspaceId);
  const change = useMutation({
    mutationFn: (next: string | null) =>
      next === null ? withdrawOffer(workspaceId) : offerWorkspace(workspaceId, next),
    onSuccess: () => setTo(""),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: transfersQuery.queryKey }),
        client.invalidateQueries({ queryKey: workspacesQuery.queryKey }),
      ]),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (to.trim()) change.mutate(to.trim());
  };
  if (offer) {
    return (
      <p className="transfer">
        <span role="status">{t("transfer.offered", { name: offer.to })}</span>{" "}
        <Button isSmall onClick={() => change.mutate(null)}>
          {t("transfer.withdraw")}
        </Button>
        {change.error && <span className="field-problem">{reasonOf(change.error)}</span>}
      </p>
    );
  }
  return (
    <form className="transfer" onSubmit={submit}>
      <Field
        label={t("transfer.to")}
        hint={t(isAtOnce ? "transfer.atOnce" : "transfer.means")}
        problem={change.error ? reasonOf(change.error) : undefined}
      >
        {(props) => <input {...props} value={to} onChange={(event) => setTo(event.target.value)} />}
      </Field>
      <Button type="submit" reason={to.trim() ? undefined : t("transfer.needsName")}>
        {t("transfer.offer")}
      </Button>
    </form>
  );
}
