"""Acts on workspaces by itself, through the verbs that people have: rest, waking, schedules, sizes."""
