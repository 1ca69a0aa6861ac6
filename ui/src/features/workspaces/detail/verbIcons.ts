import { Pause, Play, RotateCw, Square } from "lucide-react";

export const VERB_ICONS = { start: Play, resume: Play, stop: Square, restart: RotateCw, pause: Pause };
