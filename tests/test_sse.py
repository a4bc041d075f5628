"""The decoder of server-sent events alone: the conformance cases, however they arrive, and whatever Hypothesis
thinks of.
"""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime._protocol import SseDecoder
from support.replay import cases, recording

PING = b'{"event":"ping"}'
STREAMS = [
    case
    for folder in ("recordings", "recordings_chat", "recordings_new")
    for case in cases(folder=folder)
    if recording(case).is_stream
]
SEPARATORS = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg"

CASES: dict[str, tuple[bytes, list[bytes]]] = {
    "LF": (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
    "CR": (b"data: 1\r\rdata: 2\r\r", [b"1", b"2"]),
    "CRLF": (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
    "line ends of all kinds in one stream": (b"data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\n", [b"1", b"2", b"3"]),
    "separators that end lines for str.splitlines": (
        f'data: "{SEPARATORS}"\n\n'.encode(),
        [f'"{SEPARATORS}"'.encode()],
    ),
    "characters of two, three and four bytes": ("data: é字🎉\n\n".encode(), ["é字🎉".encode()]),
    "a byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
    "a byte order mark that is not at the start": (b"data: \xef\xbb\xbf1\n\n", [b"\xef\xbb\xbf1"]),
    "several data lines": (b"data: {\ndata: }\n\n", [b"{\n}"]),
    "comments": (b": hello\ndata: 1\n:\n\n: bye\n\n", [b"1"]),
    "`event: ping` without data": (b"event: ping\n\ndata: 1\n\nevent: ping\n\n", [PING, b"1", PING]),
    "another event without data": (b"event: other\n\ndata: 1\n\n", [b"1"]),
    "fields that are not known": (b"retry: 10\nwhatever: 1\nfoo\ndata: 1\n\n", [b"1"]),
    "empty data": (b"data\n\ndata:\n\ndata: 1\n\n", [b"", b"", b"1"]),
    "no space after the colon": (b'data:{"a":1}\n\n', [b'{"a":1}']),
    "two spaces after the colon": (b"data:  1\n\n", [b" 1"]),
    "no field that only begins like data": (b"data : 1\ndatum: 2\ndata: 3\n\n", [b"3"]),
    "blank lines": (b"\n\n\ndata: 1\n\n\n\n", [b"1"]),
    "bytes that are not UTF-8": (b"data: \xff\xfe\n\n", [b"\xff\xfe"]),
    "nothing": (b"", []),
}
UNFINISHED = {
    "a last event without its blank line": (b"data: 1\n\ndata: 2\n", [b"1"], [b"2"]),
    "a last line without its line end": (b"data: 1\n\ndata: 2", [b"1"], [b"2"]),
    "a last event that is cut": (b'data: 1\n\ndata: {"a": ', [b"1"], [b'{"a": ']),
    "a last line that is no data": (b"data: 1\n\nid: 7", [b"1"], []),
    "a last ping": (b"event: ping\n", [], [PING]),
}


def at_once(stream: bytes) -> Iterable[bytes]:
    return [stream]


def by_byte(stream: bytes) -> Iterable[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def by_three(stream: bytes) -> Iterable[bytes]:
    return [stream[at : at + 3] for at in range(0, len(stream), 3)]


def with_empty_pieces(stream: bytes) -> Iterable[bytes]:
    for piece in by_byte(stream):
        yield from (b"", piece, b"")


CUTS = [at_once, by_byte, by_three, with_empty_pieces]
Cut = Callable[[bytes], Iterable[bytes]]


def fed(decoder: SseDecoder, pieces: Iterable[bytes]) -> list[bytes]:
    return [data for piece in pieces for data in decoder.feed(piece)]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", CASES)
def test_conformance(name: str, cut: Cut) -> None:
    stream, events = CASES[name]
    decoder = SseDecoder()
    assert fed(decoder, cut(stream)) == events
    assert decoder.finish() == []


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", UNFINISHED)
def test_the_end_of_the_stream_gives_what_is_left(name: str, cut: Cut) -> None:
    stream, before, left = UNFINISHED[name]
    decoder = SseDecoder()
    assert fed(decoder, cut(stream)) == before
    assert decoder.finish() == left
    assert decoder.finish() == []


@pytest.mark.parametrize("cut", CUTS)
def test_an_event_is_there_as_soon_as_its_blank_line_is(cut: Cut) -> None:
    """Also when lines end in CR, which may or may not be the first half of a CRLF."""
    for end in (b"\n\n", b"\r\r", b"\r\n\r\n"):
        decoder = SseDecoder()
        assert fed(decoder, cut(b"data: 1" + end)) == [b"1"]


@pytest.mark.parametrize("cut", CUTS)
def test_the_last_event_id_is_kept_for_a_reconnect(cut: Cut) -> None:
    decoder = SseDecoder()
    fed(decoder, cut(b"id: 7\ndata: 1\n\ndata: 2\n\nid: with\0null\n\n"))
    assert decoder.last_event_id == "7"


def test_a_line_in_many_pieces_is_put_together_once() -> None:
    """Until its end has come, the pieces wait as they are: nothing is copied or searched again."""
    decoder = SseDecoder()
    decoder.feed(b"data: ")
    pieces = [bytes([65 + number % 26]) * 1000 for number in range(500)]
    for piece in pieces:
        assert decoder.feed(piece) == []
    assert all(kept is piece for kept, piece in zip(decoder._line[1:], pieces, strict=True))
    assert decoder.feed(b"\n\n") == [b"".join(pieces)]


@pytest.mark.parametrize("cut", [by_byte, by_three])
@pytest.mark.parametrize("case", STREAMS)
def test_recordings_decode_the_same_however_they_are_cut(case: str, cut: Cut) -> None:
    body = recording(case).body[:60_000]
    assert fed(SseDecoder(), cut(body)) == fed(SseDecoder(), [body])


LINES = st.sampled_from(
    [
        b"data: 1",
        b"data:2",
        b"data",
        b": c",
        b"event: ping",
        b"id: 3",
        b"",
        b"",
        "data: é\u2028".encode(),
        b"x",
        b"\xff",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.one_of(
    st.lists(st.tuples(LINES, ENDS)).map(lambda lines: b"".join(line + end for line, end in lines)),
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\xef", b"\xbb", b"\xbf", b"data: a", b"\n", b"\r"])).map(b"".join),
)


@given(STREAMS, st.lists(st.integers(1, 9)))
def test_any_cutting_gives_the_same_events(stream: bytes, sizes: list[int]) -> None:
    whole, cut = SseDecoder(), SseDecoder()
    expected = [*whole.feed(stream), *whole.finish()]
    got, rest = [], stream
    for size in sizes:
        got += cut.feed(rest[:size])
        rest = rest[size:]
    got += cut.feed(rest)
    assert [*got, *cut.finish()] == expected


def reference(stream: bytes) -> list[bytes]:
    """The standard, word by word: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events, data, kind = [], list[bytes](), b""
    for line in text.split(b"\n")[:-1]:
        if not line:
            if kind == b"ping":
                events.append(PING)
            elif data:
                events.append(b"\n".join(data))
            data, kind = [], b""
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value
    return events


@given(STREAMS)
def test_what_is_decoded_is_what_the_standard_says(stream: bytes) -> None:
    assert SseDecoder().feed(stream) == reference(stream)


@pytest.mark.parametrize(("last", "foreign"), [("", ""), ("d", ""), ("even", ""), ("data:", ""), ("dat!", "dat!")])
def test_a_line_that_is_cut_within_its_first_letters_is_none_of_somebody_else(last: str, foreign: str) -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"event: ping\n\n" + last.encode()) == [PING]
    decoder.finish()
    assert decoder.foreign == foreign.encode()
