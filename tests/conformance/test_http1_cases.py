from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from front_harness import WIRES, Front, Worker, over, running_front
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.http1_cases import REFUSED, TAKEN, Refused, Taken

from askr_http.errors import RemoteProtocolError
from askr_http.h1 import Body, Event, Head, RequestReader
from askr_http.limits import Limits
from askr_shm.worker_port import TakenRequest

FOLLOWER = b"GET /follower HTTP/1.1\r\nHost: a\r\n\r\n"


def read(pieces: Sequence[bytes]) -> tuple[list[Event], int | None]:
    """Return the events, neighbouring pieces of a body as one, and the status of a refusal."""
    reader = RequestReader(Limits())
    events: list[Event] = []
    for piece in pieces:
        reader.receive(piece)
        try:
            while (event := reader.maybe_next()) is not None:
                if isinstance(event, Body) and events and isinstance(events[-1], Body):
                    event = Body(events.pop().data + event.data)  # type: ignore[union-attr] # it is a Body
                events.append(event)
        except RemoteProtocolError as error:
            return events, error.answer.status
    return events, None


def cut(wire: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Return the pieces between the cuts."""
    return [wire[i:j] for i, j in zip([0, *cuts], [*cuts, len(wire)], strict=True)]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
@pytest.mark.parametrize("tail", [b"", FOLLOWER], ids=["alone", "with trailing data"])
def test_what_is_no_request_is_refused_however_it_arrives(case: Refused, tail: bytes) -> None:
    wire = case.wire + tail
    whole = read([wire])
    assert whole[1] == case.status
    assert read([bytes([byte]) for byte in wire]) == whole


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: case.name)
@pytest.mark.parametrize("tail", [b"", FOLLOWER], ids=["alone", "with trailing data"])
def test_a_request_is_read_however_it_arrives(case: Taken, tail: bytes) -> None:
    wire = case.wire + tail
    events, refusal = read([wire])
    assert refusal is None
    assert read([bytes([byte]) for byte in wire]) == (events, None)
    head = events[0]
    assert isinstance(head, Head)
    assert (head.method, head.target.origin, head.authority, head.keeps_alive) == (
        case.method,
        case.target,
        case.authority,
        case.is_kept,
    )
    assert b"".join(event.data for event in events if isinstance(event, Body)) == case.body
    followers = [event for event in events[1:] if isinstance(event, Head)]
    assert [follower.target.origin for follower in followers] == ([b"/follower"] if tail else [])


@settings(deadline=None)  # the machine's speed is not what is tested
@given(data=st.data())
def test_the_events_do_not_depend_on_how_the_bytes_were_cut(data: st.DataObject) -> None:
    wires = [*(case.wire for case in REFUSED), *(case.wire for case in TAKEN)]
    wire = data.draw(st.sampled_from(wires)) + data.draw(st.sampled_from([b"", FOLLOWER]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1))))
    assert read(cut(wire, cuts)) == read([wire])


@pytest.fixture(scope="module", params=WIRES)
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    root = tmp_path_factory.mktemp("root")
    (root / "index.php").write_text("<?php")

    def app(worker: Worker, taken: TakenRequest, body: bytes) -> None:
        fields = [taken.head.fields[field] for field in sorted(taken.head.fields) if field in {1, 2}]
        host = dict(taken.head.headers)[b"Host"]
        worker.port.respond(taken.xid, b"\n".join([*fields, host, body]))

    with over(request.param), running_front(root, app=app) as running:
        yield running


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_front_answers_what_is_no_request_and_closes(front: Front, case: Refused) -> None:
    with front.connect() as client:
        client.send(case.wire)
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (case.status, b"close")
        assert answer.headers["content-type"].startswith(b"text/plain")
        assert client.is_closed()


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: case.name)
def test_a_front_hands_a_request_to_php_as_it_was_sent(front: Front, case: Taken) -> None:
    with front.connect() as client:
        client.send(case.wire)
        answer = client.answer()
        assert answer.status == 200
        assert ("close" in answer.headers.get("connection", b"").decode()) is not case.is_kept
        if case.target != b"*":
            assert answer.body.split(b"\n", 3) == [
                case.method,
                case.target,
                case.authority or b"localhost",
                case.body,
            ]
        if case.is_kept:
            client.send(FOLLOWER)
            assert client.answer().body.startswith(b"GET\n/follower")
        else:
            assert client.is_closed()
