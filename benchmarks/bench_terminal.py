"""Terminals beside their peers: plain ssh, ttyd, wetty, webssh and terminado, all at the same workspace, in one run.

.venv/bin/python benchmarks/bench_terminal.py [--measures echo,flood] [--peers ssh,nixws] [--keys N] [--rounds N]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.terminal import software


def main() -> None:
    """Fetch what is measured, then measure."""
    software.prepare()
    from benchmarks.terminal import flooder, program

    if sys.argv[1:] == ["--flood"]:
        flooder.main()
    else:
        program.main(__doc__ or "")


if __name__ == "__main__":
    main()
