import { type ReactNode, useState } from "react";
import { useT } from "../../../../shared/i18n/messages";
import { useFollow } from "./useFollow";

interface LogFrameProps {
  /** What the lines are called, and what looks for something in them. */
  name: string;
  findName: string;
  text: string;
  onText: (text: string) => void;
  /** Stands before the switch to follow. */
  choice?: ReactNode;
  /** Stands after it. */
  tools?: ReactNode;
  /** What is to be said above the lines. */
  note?: ReactNode;
  /** What stands in the place of lines where there are none; empty for nothing. */
  none: string;
  children: ReactNode;
}

/** Lines that grow at their end: what finds something in them, and the switch to stay at that end. */
export function LogFrame(props: LogFrameProps) {
  const { name, findName, text, onText, choice, tools, note, none, children } = props;
  const t = useT();
  const [isFollowing, setIsFollowing] = useState(true);
  const { pane, content, onScroll } = useFollow(isFollowing, setIsFollowing);
  return (
    <div className="log-view">
      <div className="log-tools">
        <input
          type="search"
          aria-label={findName}
          placeholder={findName}
          value={text}
          onChange={(event) => onText(event.target.value)}
        />
        {choice}
        <label>
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={(event) => setIsFollowing(event.target.checked)}
          />
          {t("logs.follow")}
        </label>
        {tools}
      </div>
      {note}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must take the focus */}
      <pre ref={pane} className="log-lines" tabIndex={0} onScroll={onScroll} aria-label={name}>
        <div ref={content}>
          {none && <span className="muted">{none}</span>}
          {children}
        </div>
      </pre>
    </div>
  );
}
