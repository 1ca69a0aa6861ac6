"""The composition root: opens every part in order and closes them in reverse."""

from nixos_workspaces.services.opening import BALLAST, DATABASE, open_backends, open_services, open_tokens
from nixos_workspaces.services.parts import Backends, Contents, OpenBackends, Recording, Services

__all__ = [
    "BALLAST",
    "DATABASE",
    "Backends",
    "Contents",
    "OpenBackends",
    "Recording",
    "Services",
    "open_backends",
    "open_services",
    "open_tokens",
]
