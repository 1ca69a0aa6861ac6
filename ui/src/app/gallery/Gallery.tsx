import { CircleAlert, Inbox, Plus, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { STATUSES } from "../../api/types";
import { ConnectionBanner } from "../../features/terminal/connection/ConnectionBanner";
import type { ConnectionState } from "../../features/terminal/connection/TerminalConnection";
import { LogRows } from "../../features/workspaces/detail/logs/LogRows";
import { rowsOf } from "../../features/workspaces/detail/logs/logRows";
import { WorkspaceItem } from "../../features/workspaces/list/cards/WorkspaceItem";
import { StatusWord } from "../../features/workspaces/StatusWord";
import { useT } from "../../shared/i18n/messages";
import { Meter } from "../../shared/Meter";
import { THEMES, themeStore } from "../../shared/theme";
import { tell } from "../../shared/toasts";
import { Badge, type BadgeTone } from "../../ui/Badge";
import { Button, type ButtonKind } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { EmptyState } from "../../ui/EmptyState";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { Skeleton } from "../../ui/Skeleton";
import { Sparkline } from "../../ui/Sparkline";
import { Table } from "../../ui/Table";
import { TooltipLayer } from "../../ui/Tooltip";
import { Toasts } from "../Toasts";
import { LOG, sample } from "./samples";
import "../../features/terminal/terminal.css";

const BUTTONS: readonly ButtonKind[] = ["primary", "plain", "quiet", "danger"];
const BADGES: readonly BadgeTone[] = ["plain", "live", "success", "warning", "error"];
const CONNECTIONS: readonly ConnectionState[] = [
  { kind: "connecting" },
  { kind: "waiting", retryAt: Date.now() + 600_000, kept: 19, isFull: false },
  { kind: "waiting", retryAt: Date.now() + 600_000, kept: 65_536, isFull: true },
  { kind: "ended", code: 1 },
  { kind: "failed", closeCode: 4404, message: "" },
];
const nothing = () => undefined;

/** Every component in every state, in development only: to be looked at, and for tests to look at. Its texts are its own. */
export function Gallery() {
  return (
    <main className="page gallery" id="content">
      <header className="page-head">
        <h1>Gallery</h1>
        {THEMES.map((theme) => (
          <Button key={theme} isSmall onClick={() => themeStore.set(theme)}>
            {theme}
          </Button>
        ))}
      </header>
      <Buttons />
      <Facts />
      <Fields />
      <Rows />
      <Standing />
      <Workspaces />
      <Terminals />
      <Logs />
      <Over />
      <Toasts />
      <TooltipLayer />
    </main>
  );
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card pad" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

const Row = ({ children }: { children: ReactNode }) => <div className="gallery-row">{children}</div>;

function Buttons() {
  return (
    <Group title="Buttons">
      {[false, true].map((isSmall) => (
        <Row key={String(isSmall)}>
          {BUTTONS.map((kind) => (
            <Button key={kind} kind={kind} isSmall={isSmall} icon={Plus}>
              {kind}
            </Button>
          ))}
          <Button isSmall={isSmall} disabled>
            disabled
          </Button>
          <Button isSmall={isSmall} reason="It does not run.">
            with a reason
          </Button>
        </Row>
      ))}
      <Row>
        <IconButton icon={Plus} label="Add" />
        <IconButton icon={Trash2} label="Delete" disabled />
        <IconButton icon={Trash2} label="Delete it" reason="Somebody else's." />
        <button type="button" className="chip" aria-pressed>
          pressed <b>3</b>
        </button>
        <button type="button" className="chip" aria-pressed={false}>
          not pressed <b>12</b>
        </button>
      </Row>
    </Group>
  );
}

function Facts() {
  return (
    <Group title="Badges, states, meters">
      <Row>
        {BADGES.map((tone) => (
          <Badge key={tone} tone={tone}>
            {tone}
          </Badge>
        ))}
      </Row>
      <Row>
        {STATUSES.map((status) => (
          <StatusWord key={status} status={status} />
        ))}
      </Row>
      {[null, 0, 42, 80, 97].map((value) => (
        <Meter key={String(value)} label={`Memory ${value ?? "unknown"}`} value={value} limit="4 GB" />
      ))}
      <Sparkline label="A curve" values={[1, 5, null, null, 40, 90, 100, 20]} />
      <Sparkline label="No curve" values={[]} />
    </Group>
  );
}

function Fields() {
  return (
    <Group title="Fields">
      <Field label="Name" hint="Small letters, digits and hyphens.">
        {(props) => <input {...props} placeholder="my-workspace" />}
      </Field>
      <Field label="Memory" problem="has to be at least 0.25">
        {(props) => <input {...props} defaultValue="-1" />}
      </Field>
      <Field label="Level">
        {(props) => (
          <select {...props}>
            <option>Errors</option>
          </select>
        )}
      </Field>
      <label className="switch">
        <input type="checkbox" defaultChecked /> Checked
      </label>
    </Group>
  );
}

function Rows() {
  return (
    <Group title="Table">
      <Table
        label="Packages"
        keyOf={({ name }) => name}
        rows={[
          { name: "git", size: "40 MB" },
          { name: "python3Packages.requests", size: "1.2 MB" },
        ]}
        columns={[
          { key: "name", head: "Name", cell: ({ name }) => <code>{name}</code> },
          { key: "size", head: "Size", cell: ({ size }) => size, isFigure: true },
        ]}
      />
    </Group>
  );
}

function Standing() {
  return (
    <Group title="In the place of something">
      <Skeleton label="Loading" lines={4} />
      <EmptyState title="Nothing here yet" icon={Inbox}>
        <p>Make one, or choose another filter.</p>
        <Button kind="primary">Make one</Button>
      </EmptyState>
      <EmptyState title="It could not be loaded" icon={CircleAlert}>
        <p>The service does not answer.</p>
        <Button>Try again</Button>
      </EmptyState>
    </Group>
  );
}

function Workspaces() {
  return (
    <Group title="Workspaces">
      <div className="cards">
        {STATUSES.map((status) => (
          <WorkspaceItem key={status} workspace={sample(status)} onSelect={nothing} onAction={nothing} />
        ))}
      </div>
    </Group>
  );
}

function Terminals() {
  return (
    <Group title="Terminal banners">
      {CONNECTIONS.map((state, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the list never changes
        <div key={index} className="gallery-terminal">
          <ConnectionBanner state={state} side="start" onReconnect={nothing} />
        </div>
      ))}
    </Group>
  );
}

function Logs() {
  return (
    <Group title="Log">
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must take the focus */}
      <pre className="log-lines" tabIndex={0} aria-label="A log">
        <LogRows rows={rowsOf(LOG)} />
      </pre>
    </Group>
  );
}

function Over() {
  const t = useT();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Group title="Over the page">
      <Row>
        <Button onClick={() => setIsOpen(true)}>Confirm</Button>
        <Button onClick={() => tell("success", t("app.copied"))}>Toast</Button>
        <Button onClick={() => tell("error", "It went wrong.", "Request 0123")}>Error</Button>
      </Row>
      {isOpen && (
        <Confirm
          title="End it?"
          description="What runs in it ends."
          verb="End it"
          isDangerous
          onConfirm={() => setIsOpen(false)}
          onClose={() => setIsOpen(false)}
        />
      )}
    </Group>
  );
}
