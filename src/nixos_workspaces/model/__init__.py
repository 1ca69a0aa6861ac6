"""The domain's values: frozen, typed, without behaviour that touches the outside world.

Units are in the names: bytes inside, GB (10^9 bytes is *not* meant: 1 GB here is 2^30 bytes, as the limits of cgroups
and images are) only on the wire. Times are timezone-aware UTC datetimes. One module a noun; every record
stands here once.
"""
