"""Terminals beside their peers: plain ssh, ttyd, wetty, webssh and terminado, all at the same workspace, in one run.

    .venv/bin/python benchmarks/bench_terminal.py [--measures echo,flood] [--peers ssh,nixws] [--keys N] [--rounds N]

The far end is one workspace of the real service that may use every core of the machine. ``ssh`` is OpenSSH's client
over pipes to the workspace's sshd. The four browser terminals run on the host and reach the same sshd as the same
user: ttyd, wetty and terminado by running that very ssh, webssh by its own library. ``nixws`` is this product as its
browser client speaks it (binary frames, every consumed frame acknowledged, a client's number by which typed input is
counted), through ``nixws serve``, sshd and the terminal holder; ``nixws-json`` is the same in JSON. Only these two keep
terminals that outlive their connection; that costs a process more on the way.

All clients are fed by the same event loop, in one process, with one WebSocket library; plain ssh's client process is
part of plain ssh. All peers are up at once. Keys and rounds alternate in an order drawn anew, so that what else the
machine does hits all alike: ratios to plain ssh are what counts, and they are in brackets. Times are taken when bytes
reach the client. Two cores shared by client, servers and workspace make a flood of one disturb its own quiet
terminal: that is meant, and the same for every peer.

- ``echo``: a key until its echo by ``cat`` behind ``stty raw``, one key at a time, 0.5 to 2 ms apart.
- ``neighbour``: the same while another terminal of the same peer floods a client in a process of its own that reads
  and acknowledges everything.
- ``flood``: MB/s between two marks in the output of ``seq``, one endless line, and colours with several alphabets.
- ``interrupt``: Ctrl-C in a flood of ``seq`` until the prompt, for a client that takes 5 MB/s in.
- ``stalled``: growth of resident memory while a client that never reads is attached to a flood.
- ``crowd``: terminals open and answering at once, and what each adds to ``serve``'s resident memory.
- ``typists``: as ``echo``, with many terminals at 5 keys a second each; only plain ssh and ours.
- ``prompt``: opening a terminal until its first prompt; ours has a connection to the workspace, as after a first
  terminal.
- ``replay``: attaching until the last 4 MiB are there, both from before connecting and from the ``session`` message.

Every bound is printed with whether it holds. Results go to ``results/terminal.json``, each measure in its former
place.
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
