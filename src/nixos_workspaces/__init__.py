"""NixOS Workspaces: isolated, reproducible NixOS machines on demand."""

__version__ = "0.1.0"
