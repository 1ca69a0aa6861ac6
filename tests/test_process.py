"""Commands that other parts run, on the event loop that the service has."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from nixos_workspaces.process import CommandFailed, run_async, run_streaming


def test_a_command_that_ends_at_once_gives_its_answer() -> None:
    """Whatever comes first: its end, or our looking after it. Nothing is written to it, so nothing can break there."""

    async def all_at_once() -> list[bytes]:
        done = await asyncio.gather(*(run_async(["/bin/sh", "-c", f"exec <&-; echo {n}"], env={}) for n in range(200)))
        return [one.stdout for one in done]

    assert uvloop.run(all_at_once()) == [b"%d\n" % n for n in range(200)]


def test_a_command_finds_its_input_empty() -> None:
    async def both() -> tuple[bytes, bytes]:
        lines: list[bytes] = []
        streamed = await run_streaming(
            ["/bin/sh", "-c", "wc -c; echo said >&2"], lines.append, env={"PATH": "/bin:/usr/bin"}
        )
        assert lines == [b"said"]
        return (await run_async(["/bin/sh", "-c", "wc -c"], env={"PATH": "/bin:/usr/bin"})).stdout, streamed.stdout

    assert uvloop.run(both()) == (b"0\n", b"0\n")


@pytest.mark.parametrize("code", [1, 7])
def test_a_failure_tells_code_and_words(code: int) -> None:
    with pytest.raises(CommandFailed, match=f"exit code {code}: why") as failed:
        uvloop.run(run_async(["/bin/sh", "-c", f"echo why >&2; exit {code}"], env={}))
    assert (failed.value.completed.returncode, failed.value.timed_out) == (code, False)


def test_a_command_that_takes_too_long_is_killed_with_its_children() -> None:
    with pytest.raises(CommandFailed, match="timed out") as failed:
        uvloop.run(run_async(["/bin/sh", "-c", "sleep 1000 & wait"], env={"PATH": "/bin:/usr/bin"}, timeout=0.2))
    assert failed.value.timed_out
