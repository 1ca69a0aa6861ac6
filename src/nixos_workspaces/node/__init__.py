"""The node: the root daemon that runs workspaces on one machine (design section 5).

It is a small world of its own, because it is the only part that runs as root: it takes typed requests over a Unix
socket, makes volumes, networks and containers, and decides nothing about who may have what. ``daemon.run`` is its
entry; ``protocol`` it shares with its one client.
"""
