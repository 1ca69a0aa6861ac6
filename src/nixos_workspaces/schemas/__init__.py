"""The types that the API reads and writes, in the specification's spelling and units.

``memory`` and ``storage`` are GB (2^30 bytes), ``cpu`` cores; inside the program they are ``Resources``. Sizes are kept
in whole MiB and shown with three decimals, so that what was asked for is what is shown. Requests refuse unknown
fields, ``null``, and any value of another JSON type than the declared one (``true`` is no number).

Names of workspaces: 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit, as
they become host names; not digits only (that would read as an address) and not beginning with ``ws-`` (those are ids,
so that a path may hold either).
"""
