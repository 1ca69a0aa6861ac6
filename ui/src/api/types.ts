import type { Mode, WantedEntry } from "./network";
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Status = Schemas["Status"];
export type Phase = Schemas["Phase"];
export type PhaseTime = Schemas["PhaseAnswer"];
export type Progress = Schemas["ProgressAnswer"];
export type Fault = Schemas["FaultAnswer"];
export type Metrics = Schemas["MetricsAnswer"];
export type MetricsHistory = Schemas["MetricsHistory"];
export type MetricsSeries = Schemas["MetricsSeries"];
export type Span = Schemas["Span"];
export type Template = Schemas["TemplateAnswer"];
export type Package = Schemas["PackageAnswer"];
export type Capacity = Schemas["CapacityAnswer"];
export type SshKeys = Schemas["PublicKeyList"];
export type SshKey = Schemas["PublicKeyAnswer"];
export type Health = Schemas["HealthAnswer"];
export type Generation = Schemas["GenerationAnswer"];
export type Difference = Schemas["DifferenceAnswer"];
export type DifferentPart = Schemas["PartAnswer"];
export type LogLine = Schemas["LogLineAnswer"];
export type JournalEntry = Schemas["JournalEntryAnswer"];
export type JournalLevel = Schemas["JournalLevel"];
export type WorkspaceDetail = Schemas["WorkspaceDetail"];
export type WorkspaceChange = Schemas["UpdateRequest"];
/** Fields with a default may be left out, which the generated type does not say. */
export type PlanRequest = Partial<Schemas["PlanRequest"]>;
export type Plan = Schemas["PlanDetail"];

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
  /** The repository that is cloned into it. */
  git?: { url: string; ref?: string };
  /** What it may reach; left out: as the service's default has it. */
  network?: Mode;
  allow?: WantedEntry[];
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
export function summaryOf({ config, metrics: usage, ...rest }: WorkspaceDetail): Workspace {
  return { ...rest, usage, ...config };
}

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
