"""Evidence of work in a machine: its units, its processes, its terminals, its inhibitors."""
