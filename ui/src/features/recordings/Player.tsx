import "@xterm/xterm/css/xterm.css";
import { Terminal } from "@xterm/xterm";
import { useQuery } from "@tanstack/react-query";
import { Pause, Play } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { type Cast, outputOf } from "./cast";
import type { Typed } from "./api";
import { Playback } from "./Playback";

const SPEEDS = [0.5, 1, 2, 4, 8] as const;
const SCROLLBACK = 10_000;
const STEP_MS = 100;

interface PlayerProps {
  cast: Cast;
  typed: readonly Typed[];
  /** What the service has noted of the output; empty while the recording runs. */
  sha256: string;
}

const clock = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

async function sumOf(data: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data as BufferSource);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The sum over a recording's output as it is here; empty where the browser makes none (without TLS). */
function useSum(cast: Cast): string {
  const { data } = useQuery({
    queryKey: ["cast sum", cast],
    enabled: isSecureContext,
    gcTime: 0,
    queryFn: () => sumOf(outputOf(cast)),
  });
  return data ?? "";
}

/** Plays a recording: at any speed, from any place, command by command. */
export function Player({ cast, typed, sha256 }: PlayerProps) {
  const t = useT();
  const host = useRef<HTMLDivElement>(null);
  const playback = useRef<Playback>(null);
  const [ms, setMs] = useState(0);
  const [isPlaying, setIsPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const sum = useSum(cast);
  useEffect(() => {
    if (!host.current) return undefined;
    const terminal = new Terminal({ disableStdin: true, scrollback: SCROLLBACK, convertEol: false });
    terminal.open(host.current);
    playback.current = new Playback(cast, {
      reset: () => terminal.reset(),
      resize: (cols, rows) => terminal.resize(cols, rows),
      write: (data) => terminal.write(data),
    });
    return () => terminal.dispose();
  }, [cast]);
  useEffect(() => {
    if (!isPlaying) return undefined;
    let before = performance.now();
    let frame = requestAnimationFrame(function tick(now) {
      const player = playback.current;
      if (!player) return;
      player.advance((now - before) * speed);
      before = now;
      setMs(player.ms);
      if (player.isAtEnd) setIsPlaying(false);
      else frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, speed]);
  const seek = (to: number) => {
    playback.current?.seek(to);
    setMs(playback.current?.ms ?? 0);
  };
  const toggle = () => {
    if (!isPlaying && playback.current?.isAtEnd) seek(0);
    setIsPlaying(!isPlaying);
  };
  const typist = typed.findLast(({ at_ms: at }) => at <= ms);
  return (
    <div className="player" data-sha256={sum}>
      <div ref={host} className="player-screen" role="group" aria-label={t("recordings.screen")} />
      <div className="player-bar">
        <Button kind="primary" isSmall icon={isPlaying ? Pause : Play} onClick={toggle}>
          {t(isPlaying ? "recordings.pause" : "recordings.play")}
        </Button>
        <input
          type="range"
          aria-label={t("recordings.place")}
          aria-valuetext={clock(ms)}
          min={0}
          max={Math.ceil(cast.milliseconds / STEP_MS) * STEP_MS}
          step={STEP_MS}
          value={ms}
          onChange={(event) => seek(Number(event.target.value))}
        />
        <span>
          {clock(ms)} / {clock(cast.milliseconds)}
        </span>
        <select
          aria-label={t("recordings.speed")}
          value={speed}
          onChange={(event) => setSpeed(Number(event.target.value))}
        >
          {SPEEDS.map((one) => (
            <option key={one} value={one}>
              {one}×
            </option>
          ))}
        </select>
        {cast.commands.length > 0 && (
          <select
            aria-label={t("recordings.command")}
            value=""
            onChange={(event) => seek(Number(event.target.value))}
          >
            <option value="">{t("recordings.command")}</option>
            {cast.commands.map((one, index) => (
              // The same command may have been run twice at once.
              // oxlint-disable-next-line react/no-array-index-key
              <option key={index} value={one.ms}>
                {clock(one.ms)} {one.text}
              </option>
            ))}
          </select>
        )}
      </div>
      <p className="field-hint">
        {typist && t("recordings.typed", { name: typist.name, count: typist.end - typist.first })}{" "}
        {sha256 && sum && t(sum === sha256 ? "recordings.matches" : "recordings.differs")}
      </p>
    </div>
  );
}
