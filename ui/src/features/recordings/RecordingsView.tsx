import "./recordings.css";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Download, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { request, workspacePath } from "../../api/client";
import { useDetail } from "../../api/detail";
import { reasonOf } from "../../api/mutations";
import { useMayPlay } from "../../api/playing";
import { saveUrl } from "../../shared/download";
import { dateTime } from "../../shared/format";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { lazily } from "../../shared/lazily";
import { tell } from "../../shared/toasts";
import { Badge } from "../../ui/Badge";
import { Confirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { type Column, Table } from "../../ui/Table";
import {
  castPath,
  castQuery,
  choicesQuery,
  choose,
  type Choices,
  type Found,
  type Recording,
  recordingsKey,
  recordingsQuery,
} from "./api";

addEnglish(more);

const Player = lazily(async () => (await import("./Player")).Player);

/** The recordings of a workspace's terminals: found, played, downloaded, removed; and whether there are to be any. */
export function RecordingsView() {
  const t = useT();
  if (useMayPlay()) return <Recordings />;
  return (
    <section className="panel recordings">
      <h3>{t("recordings.title")}</h3>
      <p className="muted">{t("recordings.notShared")}</p>
    </section>
  );
}

function Recordings() {
  const t = useT();
  const { id } = useDetail();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState<Recording | null>(null);
  const { data, error } = useQuery(recordingsQuery(id, text));
  return (
    <section className="panel recordings">
      <h3>{t("recordings.title")}</h3>
      <ChoicesPanel workspaceId={id} />
      <Field label={t("recordings.find")} hint={t("recordings.findHint")}>
        {(field) => (
          <input {...field} type="search" value={text} onChange={(event) => setText(event.target.value)} />
        )}
      </Field>
      {error && <p role="alert">{reasonOf(error)}</p>}
      {data?.length === 0 && <p className="muted">{t(text ? "recordings.noneFound" : "recordings.none")}</p>}
      {data && data.length > 0 && <RecordingTable found={data} workspaceId={id} onPlay={setChosen} />}
      {chosen && <Chosen key={chosen.id} workspaceId={id} recording={chosen} />}
    </section>
  );
}

function Chosen({ workspaceId, recording }: { workspaceId: string; recording: Recording }) {
  const t = useT();
  const { data, error } = useQuery(castQuery(workspaceId, recording.id));
  if (error) return <p role="alert">{reasonOf(error)}</p>;
  if (!data) return <p className="muted">{t("app.loading")}</p>;
  return <Player cast={data.cast} typed={data.typed} sha256={recording.sha256} />;
}

function ChoicesPanel({ workspaceId }: { workspaceId: string }) {
  const t = useT();
  const client = useQueryClient();
  const query = choicesQuery(workspaceId);
  const { data } = useQuery(query);
  const change = useMutation({
    mutationFn: (wanted: Choices) => choose(workspaceId, wanted),
    onSuccess: (now) => client.setQueryData(query.queryKey, now),
    onError: (failure) => tell("error", reasonOf(failure)),
  });
  if (!data) return null;
  const isRecorded = data.policy === "required" || (data.policy === "optional" && data.record);
  return (
    <>
      <label className="switch">
        <input
          type="checkbox"
          checked={isRecorded}
          disabled={data.policy !== "optional"}
          onChange={(event) => change.mutate({ ...data, record: event.target.checked })}
        />
        {t("recordings.record")}
      </label>
      <p className="field-hint">{t(`recordings.policy.${data.policy}`)}</p>
      <label className="switch">
        <input
          type="checkbox"
          checked={data.moderated}
          onChange={(event) =>
            change.mutate({ ...data, record: isRecorded, moderated: event.target.checked })
          }
        />
        {t("recordings.moderated")}
      </label>
    </>
  );
}

interface RecordingTableProps {
  found: readonly Found[];
  workspaceId: string;
  onPlay: (recording: Recording) => void;
}

function RecordingTable({ found, workspaceId, onPlay }: RecordingTableProps) {
  const t = useT();
  const client = useQueryClient();
  const [asked, setAsked] = useState<Recording | null>(null);
  const remove = useMutation({
    mutationFn: (id: string) => request<void>("DELETE", workspacePath(workspaceId, "recordings", id)),
    onError: (failure) => tell("error", reasonOf(failure)),
    onSettled: () => {
      setAsked(null);
      void client.invalidateQueries({ queryKey: recordingsKey(workspaceId) });
    },
  });
  const at = ({ started_at: started }: Recording) => dateTime(started, t.locale);
  const columns: Column<Found>[] = [
    { key: "at", head: t("recordings.at"), cell: ({ recording }) => at(recording) },
    {
      key: "state",
      head: t("recordings.state"),
      cell: ({ recording: { state, reason } }) => (
        <Badge tone={state === "running" ? "live" : state === "cut" ? "warning" : "plain"}>
          {t(reason ? `recordings.cut.${reason}` : `recordings.${state === "cut" ? "complete" : state}`)}
        </Badge>
      ),
    },
    {
      key: "lines",
      head: t("recordings.lines"),
      cell: ({ lines }) =>
        lines.map(({ at_ms: ms, text }) => (
          <code key={`${ms} ${text}`} className="recorded-line">
            {text}
          </code>
        )),
    },
    {
      key: "actions",
      head: t("recordings.actions"),
      cell: ({ recording }) => {
        const name = at(recording);
        return (
          <span className="recording-actions">
            <IconButton
              icon={Play}
              label={t("recordings.playOne", { name })}
              onClick={() => onPlay(recording)}
            />
            <IconButton
              icon={Download}
              label={t("recordings.download", { name })}
              onClick={() => saveUrl(`${recording.id}.cast`, castPath(workspaceId, recording.id))}
            />
            <IconButton
              icon={Trash2}
              label={t("recordings.remove", { name })}
              onClick={() => setAsked(recording)}
            />
          </span>
        );
      },
    },
  ];
  return (
    <>
      <Table
        label={t("recordings.title")}
        columns={columns}
        rows={found}
        keyOf={({ recording }) => recording.id}
      />
      {asked && (
        <Confirm
          title={t("recordings.remove", { name: at(asked) })}
          verb={t("recordings.removeIt")}
          isDangerous
          isBusy={remove.isPending}
          onConfirm={() => remove.mutate(asked.id)}
          onClose={() => setAsked(null)}
        >
          <p>{t("recordings.removeHint")}</p>
        </Confirm>
      )}
    </>
  );
}
