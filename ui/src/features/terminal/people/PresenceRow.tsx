import "./people.css";
import { Link } from "@tanstack/react-router";
import { Keyboard, Radio } from "lucide-react";
import { useState } from "react";
import { useMayPlay } from "../../../api/playing";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { more } from "../../../shared/i18n/more.en";
import { Button } from "../../../ui/Button";
import type { ClientMessage, Presence } from "../connection/wire";
import { type CursorSource, useTypistCursor } from "./useTypistCursor";

addEnglish(more);

/** The end of every guest's name. */
const GUEST = " (guest)";

interface PresenceRowProps {
  workspaceId: string;
  presence: Presence;
  terminal: CursorSource | undefined;
  /** What is typed here is taken. */
  mayType: boolean;
  onTell: (message: ClientMessage) => void;
}

/** Who is at a terminal, who types, and what one may do about it. */
export function PresenceRow({ workspaceId, presence, terminal, mayType, onTell }: PresenceRowProps) {
  const t = useT();
  useTypistCursor(terminal, presence);
  const mayPlay = useMayPlay();
  const [sentGuest, setSentGuest] = useState("");
  const { people, total, you, keyboard, typist, recorded } = presence;
  const me = people.find(({ id }) => id === you);
  const isModerator = me?.mode === "moderator";
  const mayGive = isModerator || keyboard === you;
  const holder = people.find(({ id }) => id === keyboard);
  const mayNot =
    me?.mode === "observer"
      ? t("presence.watching")
      : mayType
        ? ""
        : keyboard
          ? t("presence.keyboardOf", { name: holder?.name ?? "?" })
          : t("presence.noModerator");
  return (
    <div className="people" role="group" aria-label={t("presence.title")}>
      {recorded && mayPlay && (
        <Link
          to="/workspaces/$workspaceId/recordings"
          params={{ workspaceId }}
          search={true}
          className="tag tag-error"
        >
          <Radio aria-hidden size={14} /> {t("presence.recorded")}
        </Link>
      )}
      {recorded && !mayPlay && (
        <span className="tag tag-error">
          <Radio aria-hidden size={14} /> {t("presence.recorded")}
        </span>
      )}
      {total > 1 &&
        people.map(({ id, name, mode, colour, asks }) => (
          <span key={id} className="person" data-colour={colour} data-typing={id === typist}>
            <span className="person-dot" aria-hidden />
            {id === you ? t("presence.you", { name }) : name}
            {mode === "observer" && <span className="muted"> {t("presence.observer")}</span>}
            {id === keyboard && <Keyboard aria-label={t("presence.hasKeyboard")} size={14} />}
            {asks && <span className="muted"> {t("presence.asks")}</span>}
            {mayGive && id !== keyboard && mode !== "observer" && (
              <Button kind="quiet" isSmall onClick={() => onTell({ type: "grant", to: id })}>
                {t(id === you ? "presence.take" : "presence.give", { name })}
              </Button>
            )}
            {isModerator && mode !== "moderator" && (
              <Button
                kind="quiet"
                isSmall
                onClick={() => {
                  onTell({ type: "kick", who: id });
                  setSentGuest(name.endsWith(GUEST) ? name : "");
                }}
              >
                {t("presence.sendAway", { name })}
              </Button>
            )}
          </span>
        ))}
      {total > people.length && (
        <span className="muted">{t("presence.more", { count: total - people.length })}</span>
      )}
      {mayGive && keyboard !== 0 && (
        <Button isSmall onClick={() => onTell({ type: "grant", to: 0 })}>
          {t("presence.forAll")}
        </Button>
      )}
      <span role="status" className="person-status">
        {mayNot || (sentGuest && t("presence.linkStays", { name: sentGuest }))}
      </span>
      {me && me.mode !== "observer" && !mayGive && keyboard !== 0 && (
        <Button
          isSmall
          reason={me.asks ? t("presence.asked") : undefined}
          onClick={() => onTell({ type: "ask" })}
        >
          {t("presence.ask")}
        </Button>
      )}
    </div>
  );
}
