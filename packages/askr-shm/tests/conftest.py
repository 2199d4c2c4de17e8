"""A pool for each test, whose books must balance at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askr_shm.errors import Cancelled
from askr_shm.pool import ExchangeState, Pool, PoolSpec, WorkerCommand
from askr_shm.worker_port import TakenRequest, WorkerPort

Handler = Callable[[WorkerPort, TakenRequest], None]


class Workers:
    """Worker processes that serve a handler; `end` drains them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.pids: dict[int, int] = {}

    def start(self, index: int, handler: Handler) -> int:
        """Fork worker `index` and return its process id."""
        pid = os.fork()
        if pid == 0:
            self._serve(index, handler)
        self.pool.assign(index, pid)
        self.pids[index] = pid
        return pid

    def _serve(self, index: int, handler: Handler) -> None:
        code = 1
        port = WorkerPort(self.pool, index)
        try:
            port.ready()
            while True:
                request = port.take()
                if request is not None:
                    handler(port, request)
        except Cancelled:
            port.leave()
            code = 0
        finally:
            os._exit(code)

    def reap(self, index: int) -> int:
        """Wait for worker `index`, repair after it, and return its exit code (negative: the signal)."""
        _, status = os.waitpid(self.pids.pop(index), 0)
        self.pool.repair_worker(index)
        self.pool.clear(index)
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """Drain all."""
        for index in self.pids:
            self.pool.command(index, WorkerCommand.DRAIN)
        codes = [self.reap(index) for index in list(self.pids)]
        assert not any(codes), codes


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    pool = Pool.create(PoolSpec(exchanges=16, blocks=256, block_bytes=1024, workers=4), str(tmp_path))
    yield pool
    audit = pool.audit()
    assert audit.exchanges[ExchangeState.FREE] == pool.spec.exchanges
    assert audit.blocks_lost == audit.blocks_used == 0
    assert audit.blocks_free == pool.spec.blocks
    assert os.fstat(pool.spool_fd).st_blocks == 0
    pool.close()


@pytest.fixture
def workers(pool: Pool) -> Iterator[Workers]:
    workers = Workers(pool)
    yield workers
    workers.end()
