"""The people at terminals: who is there, who types, who is sent away."""
