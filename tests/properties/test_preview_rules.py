"""Hosts and headers of previews, whatever a client or a program sends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.model.names import is_port, is_reference
from nixos_workspaces.previews.addresses import PreviewAddresses
from nixos_workspaces.web.previews import headers as rules
from nixos_workspaces.web.previews.pages import language_of

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = PreviewAddresses("apps.example", "")
tokens = st.text("abcdefgh-_XYZ0189", min_size=1, max_size=12)


@given(st.integers(1, 65535), names, st.sampled_from(["", ".", ":", ".:", ":5000", ".:5000"]))
def test_a_preview_is_known_by_its_host_however_that_is_written(port: int, name: str, end: str) -> None:
    host = f"{port}--{name}.apps.example{end}"
    found = addresses.host(host)
    assert addresses.host(host.upper()) == found
    assert found is not None
    assert (found.port, found.reference, found.is_possible) == (port, name, True)
    assert found.host.partition(":")[0][-1:] != "."


@given(st.text(max_size=100))
def test_any_host_is_a_possible_preview_or_none(text: str) -> None:
    for host in (text, f"{text}.apps.example", f"3000--{text}.apps.example"):
        found = addresses.host(host)
        assert found is None or not found.is_possible or (is_port(found.port) and is_reference(found.reference))
        addresses.is_preview(host.encode(errors="replace"), text.encode(errors="replace"))


@given(st.lists(st.tuples(st.sampled_from(["", "nixws_", "__Host-nixws_", "NIXWS_"]), tokens, tokens), max_size=8))
def test_no_cookie_of_ours_reaches_the_program_and_every_other_does(cookies: list[tuple[str, str, str]]) -> None:
    line = "; ".join(f"{prefix}{name}={value}" for prefix, name, value in cookies).encode()
    passed = rules.to_app([(b"cookie", line)], client="10.0.0.1", scheme="http", host="h", own=b"nixws-x")
    kept = [value for name, value in passed if name == b"cookie"]
    others = [f"{name}={value}".encode() for prefix, name, value in cookies if not prefix]
    assert (kept[0].split(b"; ") if kept else []) == others


@given(tokens, tokens, st.lists(st.sampled_from([b"Domain=x", b" DOMAIN = .x", b"Path=/", b" Secure", b"domain"])))
def test_no_cookie_of_a_program_leaves_its_host(name: str, value: str, attributes: list[bytes]) -> None:
    told = b";".join([f"{name}={value}".encode(), *attributes])
    (passed,) = [one for key, one in rules.to_browser([(b"set-cookie", told)]) if key == b"set-cookie"]
    assert passed.startswith(f"{name}={value}".encode())
    assert b"domain" not in passed[len(name) + len(value) + 1 :].lower()


@given(
    st.lists(st.sampled_from([b"1.1 nixws-a", b"1.1 nixws-b", b"1.0 proxy", b"HTTP/1.1 nixws-c (x)", b""]), max_size=6)
)
def test_a_loop_is_a_preview_that_was_passed_before(hops: list[bytes]) -> None:
    if b"1.1 nixws-a" in hops:
        assert rules.is_loop([(b"via", b", ".join(hops))], b"nixws-a")
    assert not rules.is_loop([], b"nixws-a")


@given(st.text(max_size=60))
def test_any_wish_of_languages_is_answered_in_one_of_ours(text: str) -> None:
    assert language_of(text) in {"en", "de"}
