"""How a machine is prepared: what ``dev.py`` does before a command. Needs the standard library only."""
