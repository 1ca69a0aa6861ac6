"""``nixws login``, ``session``, ``user``, ``group`` and ``quota``: people."""
