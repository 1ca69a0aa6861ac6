"""The root daemon of one machine: containers, volumes, networks."""
