"""Forms: however they are cut into chunks, what was put in comes out, and nothing else is ever accepted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.web.http.multipart import Malformed, MultipartParser, PartBegin, PartData, PartEnd

Parts = list[tuple[bytes, bytes]]

parts = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=200)), max_size=5)
cuts = st.lists(st.integers(1, 40), min_size=1, max_size=50)


def built(content: Parts, boundary: bytes) -> bytes:
    from nixos_workspaces.model.paths import encoded

    head = b'--%s\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nX-File-Name: %s\r\n\r\n%s\r\n'
    made = b"".join(head % (boundary, encoded(name).encode(), data) for name, data in content)
    return made + b"--%s--\r\n" % boundary


def parsed(body: bytes, boundary: bytes, sizes: list[int]) -> Parts:
    parser = MultipartParser(boundary)
    found: list[tuple[bytes, bytearray]] = []
    is_open = False
    at = turn = 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        for event in parser.feed(body[at : at + size]):
            match event:
                case PartBegin():
                    assert not is_open
                    is_open = True
                    found.append((event.filename or b"", bytearray()))
                case PartData(data):
                    assert is_open
                    assert data
                    found[-1][1].extend(data)
                case PartEnd():
                    assert is_open
                    is_open = False
        at += size
        turn += 1
    parser.finish()
    return [(name, bytes(data)) for name, data in found]


@given(parts, cuts)
def test_what_is_put_in_comes_out(content: Parts, sizes: list[int]) -> None:
    boundary = b"boundary-that-no-content-holds-7f3a"
    assert parsed(built(content, boundary), boundary, sizes) == content


@given(st.lists(st.sampled_from([b"\r\n", b"--", b"B", b"\r", b"\n", b"-", b"\r\n--", b"\r\n--C"])).map(b"".join), cuts)
def test_content_that_looks_like_boundaries(content: bytes, sizes: list[int]) -> None:
    expected = [(b"n", content)]
    if b"\r\n--B" in b"\r\n" + content + b"\r\n":
        return
    assert parsed(built(expected, b"B"), b"B", sizes) == expected


@given(parts, st.data())
def test_a_form_that_is_cut_short_is_malformed(content: Parts, data: st.DataObject) -> None:
    boundary = b"boundary-that-no-content-holds-7f3a"
    body = built(content, boundary)
    end = data.draw(st.integers(0, len(body) - 5))
    try:
        parsed(body[:end], boundary, [64])
    except Malformed:
        return
    raise AssertionError(end)


@given(st.binary(max_size=300), cuts)
def test_noise_is_refused(noise: bytes, sizes: list[int]) -> None:
    try:
        parsed(b"--B\r\n" + noise, b"B", sizes)
    except Malformed:
        return
    assert noise.startswith((b"Content-Disposition", b"--"))
