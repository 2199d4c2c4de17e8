"""A pool as its master, its fronts and its workers see it, with real processes."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askr_shm import errors
from askr_shm.head import Field, decode_response_head, encode_request_head
from askr_shm.pool import ExchangeState, FrontPort, Lane, Observation, Pool, PoolSpec, WorkerCommand, WorkerState
from askr_shm.worker_port import TakenRequest, WorkerPort

if TYPE_CHECKING:  # every package has a conftest: at run time its fixtures are enough
    from conftest import Workers

PATIENCE_S = 30.0  # how long a test waits for an event before it calls the other side hung


def submit(front: FrontPort, body: bytes = b"", *, is_spooled: bool = False, deadline_mono_ns: int = 0) -> int:
    head = encode_request_head({Field.METHOD: b"POST", Field.TARGET: b"/"}, [(b"Host", b"a")])
    xid = front.open()
    front.write_request(xid, head)
    if is_spooled:
        front.spool(xid, memoryview(body), 0)
    else:
        front.write_request(xid, body)
    front.submit(
        xid,
        head_size_bytes=len(head),
        body_size_bytes=len(body),
        is_spooled=is_spooled,
        deadline_mono_ns=deadline_mono_ns,
    )
    return xid


def open_descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")  # noqa: PTH208 - an iterator would hold a descriptor of its own


def wait_for_news(front: FrontPort) -> list[int]:
    while not (found := front.completions()):
        assert select.select([front.eventfd], [], [], PATIENCE_S)[0], "no news"
    return found


def collect(front: FrontPort, xid: int) -> tuple[Observation, bytes]:
    received = b""
    while True:
        seen = front.observe(xid)
        received += front.read_response(xid, 1 << 30)
        if seen.is_final:
            front.release(xid)
            return seen, received
        wait_for_news(front)


def echo(port: WorkerPort, request: TakenRequest) -> None:
    body = port.read_request(request.xid, request.body_size_bytes)
    port.respond(request.xid, body[::-1], status=201, headers=[(b"X-Method", request.head.fields[Field.METHOD])])


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 5000])
@pytest.mark.parametrize("is_spooled", [False, True])
def test_a_request_comes_back_from_another_process(
    pool: Pool, workers: Workers, size: int, *, is_spooled: bool
) -> None:
    front = pool.front(0)
    workers.start(0, echo)
    body = bytes(i % 251 for i in range(size))
    seen, received = collect(front, submit(front, body, is_spooled=is_spooled))
    assert seen.state == ExchangeState.DONE
    assert not seen.is_failed
    head = decode_response_head(received[: seen.head_size_bytes])
    assert (head.status, head.headers) == (201, [(b"X-Method", b"POST")])
    assert received[seen.head_size_bytes :] == body[::-1]


def test_a_response_larger_than_the_slab_streams_through(pool: Pool, workers: Workers) -> None:
    front = pool.front(0)
    total = 3 * pool.spec.blocks * pool.spec.block_bytes

    def stream(port: WorkerPort, request: TakenRequest) -> None:
        port.head(request.xid, 200)
        for _ in range(total // 4096):
            assert port.write(request.xid, b"0123456789abcdef" * 256)
        port.finish(request.xid)

    workers.start(0, stream)
    seen, received = collect(front, submit(front))
    assert received[seen.head_size_bytes :] == b"0123456789abcdef" * (total // 16)


def test_requests_wait_for_whoever_is_idle(pool: Pool, workers: Workers) -> None:
    front = pool.front(0)
    xids = [submit(front, bytes([i])) for i in range(10)]
    for index in range(3):
        workers.start(index, echo)
    for i, xid in enumerate(xids):
        assert collect(front, xid)[1][-1] == i


def test_a_killed_worker_fails_its_exchange_only(pool: Pool, workers: Workers) -> None:
    front = pool.front(0)

    def hang_once(port: WorkerPort, request: TakenRequest) -> None:
        if request.body_size_bytes == 3:
            port.head(request.xid, 200)
            port.write(request.xid, b"half")
            port.flush(request.xid)
            signal.pause()
        echo(port, request)

    workers.start(0, hang_once)
    victim = submit(front, b"die")
    assert wait_for_news(front) == [victim]
    others = [submit(front, b"live") for _ in range(4)]
    os.kill(workers.pids[0], signal.SIGKILL)
    assert workers.reap(0) == -signal.SIGKILL
    assert pool.worker(0).state == WorkerState.EMPTY
    workers.start(0, echo)
    seen, received = collect(front, victim)
    assert seen.is_failed
    assert received.endswith(b"half")
    for xid in others:
        assert collect(front, xid)[1].endswith(b"evil")


def test_a_dead_fronts_exchanges_are_released(pool: Pool, workers: Workers) -> None:
    def stream_or_echo(port: WorkerPort, request: TakenRequest) -> None:
        if request.body_size_bytes == 2:
            echo(port, request)
            return
        while port.write(request.xid, b"x" * 4096):  # until the front is gone
            pass
        assert port.is_cancelled(request.xid)
        port.finish(request.xid)

    workers.start(0, stream_or_echo)
    pid = os.fork()
    if pid == 0:
        front = pool.front(0)
        for _ in range(5):
            submit(front, b"y" * 3000, is_spooled=True)
        wait_for_news(front)
        front.open()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert pool.repair_front(0) == 6
    assert pool.repair_front(0) == 0
    front = pool.front(0)
    assert collect(front, submit(front, b"ab"))[1].endswith(b"ba")


def test_cancel_says_whether_it_had_started(pool: Pool) -> None:
    front, worker = pool.front(0), WorkerPort(pool, 0)
    assert front.cancel(submit(front))
    xid = submit(front)
    assert worker.take_xid(0) == xid
    assert not front.cancel(xid)
    assert front.observe(xid).is_cancelled
    assert worker.is_cancelled(xid)
    assert not worker.head(xid, 200)
    with pytest.raises(errors.TryAgain):
        front.release(xid)
    worker.finish(xid)
    assert front.completions() == [xid]
    front.release(xid)
    with pytest.raises(errors.StaleExchange):
        front.observe(xid)


def test_news_are_told_once_and_ring_when_nobody_looks(pool: Pool) -> None:
    front, worker = pool.front(0), WorkerPort(pool, 0)
    xids = [submit(front) for _ in range(3)]
    assert front.completions() == []
    for xid in xids:
        assert worker.take_xid(0) == xid
        worker.head(xid, 200)
        worker.flush(xid)
        worker.finish(xid)
    assert select.select([front.eventfd], [], [], 0)[0]
    assert front.completions() == xids
    assert not select.select([front.eventfd], [], [], 0)[0]
    assert front.completions() == []
    for xid in xids:
        front.release(xid)


def test_a_late_request_fails_unread(pool: Pool) -> None:
    front, worker = pool.front(0), WorkerPort(pool, 0)
    xid = submit(front, deadline_mono_ns=time.monotonic_ns())
    assert worker.take_xid(0) is None
    assert front.completions() == [xid]
    assert front.observe(xid) == Observation(ExchangeState.FAILED, 0, 0, True, True, False)
    front.release(xid)


def test_what_is_full_is_refused(pool: Pool) -> None:
    front = pool.front(0)
    xids = [front.open() for _ in range(pool.spec.exchanges)]
    with pytest.raises(errors.PoolFull):
        front.open()
    with pytest.raises(errors.PoolFull):
        front.write_request(xids[0], bytes(pool.spec.blocks * pool.spec.block_bytes))
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        front.spool(xids[0], b"x", pool.spec.spool_stride_bytes)
    with pytest.raises(ValueError, match="submit"):
        front.submit(xids[0], head_size_bytes=1, body_size_bytes=0, is_spooled=False, deadline_mono_ns=0)
    for xid in xids:
        front.release(xid)


def test_a_spool_that_cannot_grow_says_so_and_the_exchange_can_be_released(pool: Pool) -> None:
    front = pool.front(0)
    xid = front.open()
    null = os.open("/dev/full", os.O_WRONLY)
    os.dup2(null, pool.spool_fd, inheritable=False)
    os.close(null)
    with pytest.raises(OSError, match="spool") as caught:
        front.spool(xid, b"x" * 10000, 0)
    assert caught.value.errno == errno.ENOSPC
    front.release(xid)


def test_the_spool_has_no_name(tmp_path: Path, pool: Pool) -> None:
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(pool.spool_fd).st_nlink == 0


def test_the_masters_eventfd_tells_of_ready_and_leaving_workers(pool: Pool, workers: Workers) -> None:
    workers.start(0, echo)
    while pool.worker(0).state != WorkerState.IDLE:
        assert select.select([pool.master_eventfd], [], [], PATIENCE_S)[0]
        os.read(pool.master_eventfd, 8)
    record = pool.worker(0)
    assert (record.pid, record.command, record.requests) == (workers.pids[0], WorkerCommand.RUN, 0)
    pool.command(0, WorkerCommand.DRAIN)
    assert select.select([pool.master_eventfd], [], [], PATIENCE_S)[0]
    assert workers.reap(0) == 0


def test_both_lanes_of_a_front_have_exchanges_of_their_own(pool: Pool, workers: Workers) -> None:
    workers.start(0, echo)
    lanes = [pool.front(0, lane) for lane in Lane]
    assert len({lane.eventfd for lane in lanes}) == len(Lane) == len(pool.eventfds)
    xids = [submit(lane, text) for lane, text in zip(lanes, (b"ab", b"cd"), strict=True)]
    for lane, xid, text in zip(lanes, xids, (b"ba", b"dc"), strict=True):
        assert collect(lane, xid)[1].endswith(text)


def test_the_repair_of_a_front_settles_both_lanes(pool: Pool) -> None:
    pid = os.fork()
    if pid == 0:
        for lane in Lane:
            port = pool.front(0, lane)
            submit(port, b"never taken")
            port.open()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert pool.repair_front(0) == 2 * len(Lane)
    assert pool.repair_front(0) == 0


def test_a_pool_has_room_for_64_front_processes() -> None:
    pool = Pool.create(PoolSpec(exchanges=2, blocks=8, fronts=64))
    assert [pool.front_number(index, lane) for index in (0, 63) for lane in Lane] == [0, 1, 126, 127]
    pool.close()
    with pytest.raises(ValueError, match="out of range"):
        Pool.create(PoolSpec(exchanges=2, blocks=8, fronts=65))


def test_arguments_out_of_range_are_refused(pool: Pool) -> None:
    for action in (
        lambda: pool.front(1),
        lambda: pool.worker(4),
        lambda: pool.assign(4, 1),
        lambda: pool.repair_worker(4),
        lambda: pool.repair_front(1),
        lambda: Pool.create(PoolSpec(exchanges=3)),
    ):
        with pytest.raises(ValueError, match=r"there is no|out of range"):
            action()


def test_closing_gives_every_descriptor_back() -> None:
    before = open_descriptors()
    pool = Pool.create(PoolSpec(exchanges=2, blocks=8, fronts=3))
    pool.close()
    pool.close()
    assert open_descriptors() == before
    with pytest.raises(ValueError, match="closed"):
        pool.audit()


def test_a_failed_creation_gives_every_descriptor_back(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        Pool.create(PoolSpec(), str(tmp_path / "absent"))
    assert open_descriptors() == before


def test_a_default_pool_costs_little_memory_before_it_is_used() -> None:
    pool = Pool.create(PoolSpec())
    assert os.fstat(pool.fd).st_blocks * 512 < 2 << 20
    pool.close()
