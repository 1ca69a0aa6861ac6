"""The files of workspaces, over SFTP as the workspace's user (design section 8). Knows nothing of HTTP."""

from nixos_workspaces.files.entries import etag
from nixos_workspaces.files.listing import Order, Wanted
from nixos_workspaces.files.reading import Download
from nixos_workspaces.files.searching import OpenScript, Search, Searches
from nixos_workspaces.files.service import Files
from nixos_workspaces.files.sessions import OpenSftp
from nixos_workspaces.files.trees.archives import Archive, Format, Total
from nixos_workspaces.files.trees.tree import Tree
from nixos_workspaces.files.writes.batch import Batch
from nixos_workspaces.files.writes.sweeping import sweep_for_ever
from nixos_workspaces.files.writes.uploads import Upload, Uploads
from nixos_workspaces.files.writes.writing import ANYTHING, Condition

__all__ = [
    "ANYTHING",
    "Archive",
    "Batch",
    "Condition",
    "Download",
    "Files",
    "Format",
    "OpenScript",
    "OpenSftp",
    "Order",
    "Search",
    "Searches",
    "Total",
    "Tree",
    "Upload",
    "Uploads",
    "Wanted",
    "etag",
    "sweep_for_ever",
]
