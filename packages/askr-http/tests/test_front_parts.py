from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askr_http.front.access_log import AccessLog
from askr_http.front.context import Deadline
from askr_http.front.response_buffer import ResponseBuffer


@settings(deadline=None)  # the machine's speed is not what is tested
@given(st.lists(st.one_of(st.binary(min_size=1, max_size=50), st.none()), max_size=30))
def test_a_response_buffer_is_a_queue_wherever_it_keeps_the_bytes(steps: list[bytes | None]) -> None:
    buffer = ResponseBuffer(40, None)
    given_bytes = taken = b""
    for step in steps:
        if step is None:
            taken += buffer.take()
        else:
            buffer.put(step)
            given_bytes += step
        assert len(buffer) == len(given_bytes) - len(taken)
    taken += b"".join(iter(buffer.take, b""))
    buffer.close()
    assert taken == given_bytes


def is_in(fd: str, folder: Path) -> bool:
    """Whether a descriptor of this process is of a file in `folder`."""
    try:
        return str(Path("/proc/self/fd", fd).readlink()).startswith(str(folder))
    except OSError:
        return False


def test_what_was_read_of_a_response_takes_no_room_on_disk(tmp_path: Path) -> None:
    buffer = ResponseBuffer(0, str(tmp_path))
    buffer.put(bytes(4 << 20))
    (fd,) = [int(entry.name) for entry in Path("/proc/self/fd").iterdir() if is_in(entry.name, tmp_path)]
    before = os.fstat(fd).st_blocks
    for _ in range(3):
        assert len(buffer.take()) == 256 * 1024
        buffer.put(bytes(256 * 1024))
    assert os.fstat(fd).st_blocks <= before
    buffer.close()


def test_a_slow_pipe_never_blocks_the_access_log_and_lines_stay_whole() -> None:
    async def scenario() -> bytes:
        reading, writing = os.pipe()
        stdout = os.dup(1)
        os.dup2(writing, 1)
        os.close(writing)
        try:
            log = AccessLog("-")
            for number in range(3000):
                log.add(b"%099d\n" % number)
            log.flush()
            found = b""
            while found.count(b"\n") < 3000:
                found += os.read(reading, 65536)
                log.flush()
            log.close()
        finally:
            os.dup2(stdout, 1)
            os.close(stdout)
            os.close(reading)
        return found

    assert asyncio.run(scenario()) == b"".join(b"%099d\n" % number for number in range(3000))


def test_the_access_log_appends(tmp_path: Path) -> None:
    async def scenario() -> None:
        for line in (b"one\n", b"two\n"):
            log = AccessLog(str(tmp_path / "log"))
            log.add(line)
            log.close()

    asyncio.run(scenario())
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_a_full_disk_costs_lines_of_the_access_log_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        log = AccessLog("/dev/full")
        for _ in range(3):
            log.add(b"lost\n")
            log.flush()
        log.close()

    asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == ["access log: No space left on device; lines are lost"]


def test_a_named_pipe_that_nobody_reads_does_not_stop_the_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="No such device"):
        AccessLog(str(tmp_path / "log"))


def test_a_deadline_moves_without_a_new_timer() -> None:
    async def scenario() -> list[str]:
        loop = asyncio.get_running_loop()
        fired = asyncio.Event()
        seen: list[str] = []

        def fire() -> None:
            seen.append("fired")
            fired.set()

        deadline = Deadline(loop, fire)
        deadline.set(100.0)
        deadline.clear()
        deadline.set(0.001)
        await asyncio.wait_for(fired.wait(), 5)
        deadline.set(0.001)
        deadline.close()
        return seen

    assert asyncio.run(scenario()) == ["fired"]
