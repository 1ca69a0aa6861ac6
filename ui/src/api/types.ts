import type { components } from "./schema";

type Schemas = components["schemas"];

export type Status = Schemas["Status"];
export type Phase = Schemas["Phase"];
export type Progress = Schemas["ProgressAnswer"];
export type Fault = Schemas["FaultAnswer"];
export type Metrics = Schemas["MetricsAnswer"];
export type MetricsHistory = Schemas["MetricsHistory"];
export type Span = Schemas["Span"];
export type Template = Schemas["TemplateAnswer"];
export type Package = Schemas["PackageAnswer"];
export type Capacity = Schemas["CapacityAnswer"];
export type Health = Schemas["HealthAnswer"];
export type Generation = Schemas["GenerationAnswer"];
export type LogLine = Schemas["LogLineAnswer"];
export type WorkspaceDetail = Schemas["WorkspaceDetail"];
export type WorkspaceChange = Schemas["UpdateRequest"];

/** A workspace as lists show it. */
export type Workspace = Omit<Schemas["WorkspaceSummary"], "desired">;

/** What a new workspace is asked to be (specification, "WorkspaceCreationModal Component"). */
export interface WorkspaceConfig {
  name: string;
  cpu: number;
  memory: number;
  storage: number;
  template: string;
  packages: string[];
}

/** What can be asked of the service for one workspace. */
export type WorkspaceVerb = "start" | "stop" | "restart" | "pause" | "resume" | "delete";

/** What can be done from a list: a verb, or going to one of the workspace's views. */
export type WorkspaceAction = WorkspaceVerb | "cancel" | "terminal" | "files" | "logs" | "settings";

export interface Session {
  name: string;
  role: string;
}

/** What the list needs of a workspace that an answer gave in full. */
export function summaryOf(detail: WorkspaceDetail): Workspace {
  const { id, name, status, created_at, last_accessed, progress, fault, package_set, config } = detail;
  return { id, name, status, created_at, last_accessed, progress, fault, package_set, ...config };
}

/** Which verbs make sense in a state; the service is the judge, this only keeps pointless buttons away. */
export const VERBS: Record<Status, readonly WorkspaceVerb[]> = {
  creating: ["delete"],
  starting: ["stop", "delete"],
  running: ["stop", "restart", "pause", "delete"],
  paused: ["resume", "stop", "delete"],
  stopping: ["delete"],
  stopped: ["start", "delete"],
  deleting: [],
  error: ["start", "stop", "delete"],
};

/** The state that a verb leads to at once, shown until the service tells the real one. */
export const EXPECTED: Record<WorkspaceVerb, Status> = {
  start: "starting",
  stop: "stopping",
  restart: "starting",
  pause: "paused",
  resume: "running",
  delete: "deleting",
};

export const SPANS: readonly Span[] = ["5m", "1h", "24h", "7d"];

export const STATUSES: readonly Status[] = [
  "running",
  "starting",
  "creating",
  "paused",
  "stopping",
  "stopped",
  "error",
  "deleting",
];
