import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { reasonOf } from "../../../../api/mutations";
import { differenceQuery } from "../../../../api/queries";
import type { Difference, DifferentPart } from "../../../../api/types";
import { bytes } from "../../../../shared/format";
import { type Translate, useT } from "../../../../shared/i18n/messages";

interface GenerationDifferenceProps {
  workspaceId: string;
  /** The generation before. */
  from: number;
  to: number;
}

/** All that is different in the built system: versions, sizes and units, read when somebody opens it. */
export function GenerationDifference({ workspaceId, from, to }: GenerationDifferenceProps) {
  const t = useT();
  const [isOpen, setIsOpen] = useState(false);
  const { data, error } = useQuery({ ...differenceQuery(workspaceId, from, to), enabled: isOpen });
  return (
    <details className="generation-difference" open={isOpen}>
      <summary
        onClick={(event) => {
          event.preventDefault();
          setIsOpen(!isOpen);
        }}
      >
        {t("generation.details", { from })}
      </summary>
      {isOpen && !data && !error && <p className="muted">{t("app.loading")}</p>}
      {error && !data && (
        <p className="field-problem" role="alert">
          {reasonOf(error)}
        </p>
      )}
      {data && <Parts found={data} t={t} />}
    </details>
  );
}

const versions = (all: readonly string[]) => all.filter(Boolean).join(", ");

/** Mark, name, version and size of one line. */
type Row = readonly [string, string, string, string];

function Parts({ found, t }: { found: Difference; t: Translate }) {
  const { units } = found;
  const size = (value: number) => bytes(value, t.locale);
  const row = (mark: string, part: DifferentPart, version: string): Row => {
    const by = part.bytes_after - part.bytes_before;
    return [mark, part.name, version, `${by < 0 ? "−" : "+"}${size(Math.abs(by))}`];
  };
  const unit = (mark: string, name: string): Row => [mark, name, t("generation.unit"), ""];
  const rows: readonly Row[] = [
    ...found.added.map((part) => row("+", part, versions(part.after))),
    ...found.removed.map((part) => row("−", part, versions(part.before))),
    ...found.changed.map((part) => row("~", part, `${versions(part.before)} → ${versions(part.after)}`)),
    ...units.added.map((name) => unit("+", name)),
    ...units.removed.map((name) => unit("−", name)),
    ...units.changed.map((name) => unit("~", name)),
  ];
  return (
    <>
      {rows.length > 0 && (
        <table>
          <thead className="visually-hidden">
            <tr>
              <th scope="col">{t("generation.kind")}</th>
              <th scope="col">{t("generation.part")}</th>
              <th scope="col">{t("generation.version")}</th>
              <th scope="col">{t("generation.size")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([mark, name, version, by]) => (
              <tr key={`${mark}${name}${version}`}>
                <td>{mark}</td>
                <th scope="row">{name}</th>
                <td>{version}</td>
                <td className="numeric">{by}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {found.rebuilt.length > 0 && (
        <p className="muted">
          {t("generation.rebuilt", { names: found.rebuilt.map(({ name }) => name).join(", ") })}
        </p>
      )}
      <p className="muted">
        {found.bytes_added + found.bytes_removed === 0
          ? t("generation.equal")
          : t("generation.sizes", { added: size(found.bytes_added), removed: size(found.bytes_removed) })}
      </p>
    </>
  );
}
