import { type RefObject, useId } from "react";
import { usePorts } from "../../../../api/ports";
import type { WorkspaceDetail } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { Field } from "../../../../ui/Field";
import { Choice } from "./Choice";
import { callTerminals, isPort, KINDS, type Named, type Part } from "./part";

interface PartFieldsProps {
  detail: Pick<WorkspaceDetail, "id" | "status">;
  part: Part;
  onPart: (part: Part) => void;
  /** Undefined until they are known. */
  terminals: readonly Named[] | undefined;
  /** Sharing was tried with what is filled in now. */
  isTried: boolean;
  portInput: RefObject<HTMLInputElement | null>;
}

/** What is shared: the whole workspace, one of its terminals or one of its ports. */
export function PartFields({ detail, part, onPart, terminals, isTried, portInput }: PartFieldsProps) {
  const t = useT();
  return (
    <>
      <Choice
        label={t("share.what")}
        options={KINDS}
        value={part.kind}
        onChange={(kind) => onPart({ ...part, kind })}
        textOf={(one) => t(`share.what.${one}`)}
      />
      {part.kind === "terminal" && (
        <TerminalChoice
          terminals={terminals}
          chosen={part.terminal}
          onChoose={(terminal) => onPart({ ...part, terminal })}
        />
      )}
      {part.kind === "port" && (
        <PortField
          detail={detail}
          port={part.port}
          onPort={(port) => onPart({ ...part, port })}
          isTried={isTried}
          input={portInput}
        />
      )}
    </>
  );
}

interface TerminalChoiceProps {
  terminals: readonly Named[] | undefined;
  chosen: string;
  onChoose: (id: string) => void;
}

function TerminalChoice({ terminals, chosen, onChoose }: TerminalChoiceProps) {
  const t = useT();
  const ids = terminals?.map((one) => one.id) ?? [];
  const names = callTerminals(terminals ?? []);
  return (
    <Choice
      label={t("share.terminal")}
      hint={terminals?.length === 0 ? t("share.noTerminal") : undefined}
      options={ids}
      value={ids.includes(chosen) ? chosen : (ids[0] ?? "")}
      onChange={onChoose}
      textOf={(id) => names.get(id) ?? id}
    />
  );
}

interface PortFieldProps {
  detail: Pick<WorkspaceDetail, "id" | "status">;
  port: string;
  onPort: (port: string) => void;
  isTried: boolean;
  input: RefObject<HTMLInputElement | null>;
}

function PortField({ detail, port, onPort, isTried, input }: PortFieldProps) {
  const t = useT();
  const list = useId();
  const listening = (usePorts(detail.id, detail.status === "running") ?? []).filter((one) => one.listening);
  const isWrong = !isPort(port) && (isTried || port !== "");
  return (
    <Field
      label={t("share.port")}
      hint={
        listening.length > 0
          ? t("share.listening", { ports: listening.map((one) => one.port).join(", ") })
          : undefined
      }
      problem={isWrong ? t("share.portWrong") : undefined}
    >
      {(props) => (
        <>
          <input
            {...props}
            ref={input}
            type="number"
            min={1}
            max={65_535}
            step={1}
            list={list}
            value={port}
            onChange={(event) => onPort(event.target.value)}
          />
          <datalist id={list}>
            {listening.map((one) => (
              <option key={one.port} value={one.port}>
                {one.program}
              </option>
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}
