from __future__ import annotations

import pytest
from bench.fronts import TITLES, WAYS, largest_share
from bench.peers.floor import is_whole


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nn", False),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\nno", False),
    ],
)
def test_the_floor_sends_whole_answers_only(answer: bytes, *, expected: bool) -> None:
    assert is_whole(answer) is expected


def test_the_busiest_process_s_share_is_of_all_that_was_done() -> None:
    assert largest_share([1, 3]) == 0.75
    assert largest_share([0, 0]) == 0


def test_every_way_to_share_a_port_has_a_name() -> None:
    assert set(TITLES) == set(WAYS)
