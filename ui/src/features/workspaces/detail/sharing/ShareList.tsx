import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2, UserCheck } from "lucide-react";
import { reasonOf } from "../../../../api/mutations";
import { admit, type Share, sharesQuery, unshare } from "../../../../api/shares";
import { dateTime } from "../../../../shared/format";
import { type Translate, useT } from "../../../../shared/i18n/messages";
import { tell } from "../../../../shared/toasts";
import { Badge } from "../../../../ui/Badge";
import { IconButton } from "../../../../ui/IconButton";
import { Skeleton } from "../../../../ui/Skeleton";
import { callTerminals, type Named, partText } from "./part";

const nameOf = (t: Translate, { kind, name }: Share) => (kind === "link" ? t("share.theLink") : name);

/** As what somebody has it; of a port there is nothing to say. */
function roleText(t: Translate, { access, files, part }: Share): string | null {
  if (part.startsWith("port:")) return null;
  if (part !== "") return t(`share.at.${access}`);
  return t(`share.as.${access === "editor" ? "editor" : files ? "reader" : "viewer"}`);
}

interface ShareListProps {
  workspaceId: string;
  terminals: readonly Named[] | undefined;
}

/** Who has a workspace or a part of it besides its owner. */
export function ShareList({ workspaceId, terminals }: ShareListProps) {
  const t = useT();
  const client = useQueryClient();
  const names = callTerminals(terminals ?? []);
  const { data, error } = useQuery(sharesQuery(workspaceId));
  const change = useMutation({
    mutationFn: async ({ one, isIn }: { one: Share; isIn: boolean }) => {
      if (isIn) await admit(workspaceId, one.id);
      else await unshare(workspaceId, one.id);
    },
    onSuccess: (_, { one, isIn }) =>
      tell("success", t(isIn ? "share.shared" : "share.ended", { name: nameOf(t, one) })),
    onError: (failure) => tell("error", reasonOf(failure)),
    onSettled: () => client.invalidateQueries({ queryKey: sharesQuery(workspaceId).queryKey }),
  });
  return (
    <section className="panel-stack" aria-label={t("share.list")}>
      <h3>{t("share.list")}</h3>
      {error && <p className="field-problem">{reasonOf(error)}</p>}
      {data?.length === 0 && <p className="muted">{t("share.none")}</p>}
      {!data && !error && <Skeleton lines={2} label={t("app.loading")} />}
      {data && data.length > 0 && (
        <ul className="shares">
          {data.map((one) => (
            <ShareRow
              key={one.id}
              one={one}
              part={partText(t, one.part, names)}
              onAdmit={() => change.mutate({ one, isIn: true })}
              onEnd={() => change.mutate({ one, isIn: false })}
            />
          ))}
        </ul>
      )}
    </section>
  );
}

interface ShareRowProps {
  one: Share;
  /** What it is of. */
  part: string;
  onAdmit: () => void;
  onEnd: () => void;
}

function ShareRow({ one, part, onAdmit, onEnd }: ShareRowProps) {
  const t = useT();
  const name = nameOf(t, one);
  // One person may have several parts.
  const named = one.part ? `${name}: ${part}` : name;
  const isWaiting = one.state === "waiting";
  const facts = [
    part,
    roleText(t, one),
    one.expires_at ? t("share.until", { time: dateTime(one.expires_at, t.locale) }) : t("share.for.good"),
  ].filter(Boolean);
  return (
    <li>
      <div>
        <strong>{name}</strong> {isWaiting && <Badge tone="warning">{t("share.waits")}</Badge>}
        <p className="muted">{facts.join(" · ")}</p>
      </div>
      {isWaiting && (
        <IconButton icon={UserCheck} label={t("share.admit", { name: named })} onClick={onAdmit} />
      )}
      <IconButton icon={Trash2} label={t("share.end", { name: named })} onClick={onEnd} />
    </li>
  );
}
