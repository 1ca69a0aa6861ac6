import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useRef, useState } from "react";
import { reasonOf } from "../../../../api/mutations";
import { share, type ShareMade, sharesQuery, type ShareWish } from "../../../../api/shares";
import type { WorkspaceDetail } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { tell } from "../../../../shared/toasts";
import { Button } from "../../../../ui/Button";
import { Field, type FieldInputProps } from "../../../../ui/Field";
import { Choice } from "./Choice";
import { type Named, type Part, wordOf } from "./part";
import { PartFields } from "./PartFields";

const RECIPIENTS = ["user", "group", "link"] as const;
type Role = "viewer" | "reader" | "editor";
/** A port is shown or not; whoever has a terminal reads no files beside it. */
const ROLES: Record<Part["kind"], readonly Role[]> = {
  whole: ["viewer", "reader", "editor"],
  terminal: ["viewer", "editor"],
  port: ["viewer"],
};
const TIMES = { hour: 3_600, day: 86_400, week: 604_800, good: 0 } as const;
type Time = keyof typeof TIMES;

interface Filled {
  recipient: (typeof RECIPIENTS)[number];
  name: string;
  role: Role;
  time: Time;
  knock: boolean;
}

const EMPTY: Filled = { recipient: "user", name: "", role: "viewer", time: "good", knock: false };

/** The role that is chosen, where what is shared knows it. */
const roleOf = (role: Role, { kind }: Part): Role => (ROLES[kind].includes(role) ? role : "viewer");

function wishOf({ recipient, name, role, time, knock }: Filled, part: Part, word: string): ShareWish {
  const as = roleOf(role, part);
  return {
    with: recipient === "link" ? "link" : `${recipient}:${name.trim()}`,
    access: as === "editor" ? "editor" : "viewer",
    part: word,
    files: part.kind === "whole" && as !== "viewer",
    knock: knock && recipient === "link",
    expires_in: TIMES[time],
  };
}

interface ShareFormProps {
  detail: Pick<WorkspaceDetail, "id" | "status">;
  part: Part;
  onPart: (part: Part) => void;
  terminals: readonly Named[] | undefined;
  onMade: (made: ShareMade) => void;
}

/** Lets others have a workspace or a part of it. */
export function ShareForm({ detail, part, onPart, terminals, onMade }: ShareFormProps) {
  const t = useT();
  const client = useQueryClient();
  const [filled, setFilled] = useState(EMPTY);
  const [isTried, setTried] = useState(false);
  const portInput = useRef<HTMLInputElement>(null);
  const set = (some: Partial<Filled>) => setFilled((before) => ({ ...before, ...some }));
  const isLink = filled.recipient === "link";
  const adding = useMutation({
    mutationFn: (word: string) => share(detail.id, wishOf(filled, part, word)),
    onSuccess: (answer) => {
      onMade(answer);
      set({ name: "" });
      if (!isLink) tell("success", t("share.shared", { name: answer.share.name }));
      return client.invalidateQueries({ queryKey: sharesQuery(detail.id).queryKey });
    },
  });
  const choosePart = (next: Part) => {
    setTried(false);
    onPart(next);
  };
  const word = wordOf(part, terminals ?? []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setTried(word === null);
    if (word === null) portInput.current?.focus();
    else if (isLink || filled.name.trim()) adding.mutate(word);
  };
  const isUnready =
    adding.isPending || (!isLink && !filled.name.trim()) || (part.kind === "terminal" && word === null);
  return (
    // What is wrong with a port is said in the language of the page.
    <form className="form-grid share-form" data-part={part.kind} noValidate onSubmit={submit}>
      <PartFields
        detail={detail}
        part={part}
        onPart={choosePart}
        terminals={terminals}
        isTried={isTried}
        portInput={portInput}
      />
      <Recipient filled={filled} onFill={set} failure={adding.error} />
      <Terms filled={filled} onFill={set} part={part} />
      {isLink && adding.error && (
        <p className="field-problem" role="alert">
          {reasonOf(adding.error)}
        </p>
      )}
      <div className="form-actions">
        <Button kind="primary" type="submit" disabled={isUnready}>
          {t("share.do")}
        </Button>
      </div>
    </form>
  );
}

interface FilledProps {
  filled: Filled;
  onFill: (some: Partial<Filled>) => void;
}

/** With whom. */
function Recipient({ filled, onFill, failure }: FilledProps & { failure: Error | null }) {
  const t = useT();
  const { recipient, name, time } = filled;
  const input = (props: FieldInputProps) => (
    <input
      {...props}
      autoComplete="off"
      spellCheck={false}
      maxLength={40}
      value={name}
      onChange={(event) => onFill({ name: event.target.value })}
    />
  );
  return (
    <>
      <Choice
        label={t("share.with")}
        options={RECIPIENTS}
        value={recipient}
        onChange={(next) =>
          onFill({ recipient: next, time: next === "link" && time === "good" ? "week" : time })
        }
        textOf={(one) => t(`share.with.${one}`)}
      />
      {recipient !== "link" && (
        <Field
          label={t("share.name")}
          hint={t(recipient === "user" ? "share.nameHint" : "share.groupHint")}
          problem={failure ? reasonOf(failure) : undefined}
        >
          {input}
        </Field>
      )}
    </>
  );
}

/** As what, for how long, and whether the owner is asked. */
function Terms({ filled, onFill, part }: FilledProps & { part: Part }) {
  const t = useT();
  const roles = ROLES[part.kind];
  const isLink = filled.recipient === "link";
  return (
    <>
      {roles.length > 1 && (
        <Choice
          label={t("share.as")}
          options={roles}
          value={roleOf(filled.role, part)}
          onChange={(role) => onFill({ role })}
          textOf={(one) =>
            t(part.kind === "terminal" && one !== "reader" ? `share.at.${one}` : `share.as.${one}`)
          }
        />
      )}
      <Choice
        label={t("share.for")}
        options={(Object.keys(TIMES) as Time[]).filter((one) => !isLink || one !== "good")}
        value={filled.time}
        onChange={(time) => onFill({ time })}
        textOf={(one) => t(`share.for.${one}`)}
      />
      {isLink && (
        <label className="switch">
          <input
            type="checkbox"
            checked={filled.knock}
            onChange={(event) => onFill({ knock: event.target.checked })}
          />
          {t("share.knock")}
        </label>
      )}
    </>
  );
}
