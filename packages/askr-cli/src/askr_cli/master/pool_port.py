"""What the master does with askr_shm's pool, in the supervisor's words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from askr_cli.master.places import WorkerView
from askr_shm.errors import CorruptPool, PoolFull
from askr_shm.pool import WorkerCommand, WorkerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from askr_shm.pool import Pool

log = logging.getLogger("askr.master")

UP = frozenset({WorkerState.IDLE, WorkerState.BUSY, WorkerState.LEAVING})


class ShmPoolPort:
    """The supervisor's view of a pool (`places.PoolPort`)."""

    def __init__(self, pool: Pool) -> None:
        """Look at `pool`, which stays the caller's."""
        self._pool = pool
        self.master_eventfd = pool.master_eventfd

    def view(self, worker: int) -> WorkerView:
        """Return what the record of `worker` says; a record that an application wrote over says nothing."""
        try:
            record = self._pool.worker(worker)
        except CorruptPool as error:
            log.error("%s", error)  # noqa: TRY400 - the place in our code says nothing about who wrote there
            return WorkerView(is_up=False, requests=0)
        return WorkerView(record.state in UP, record.requests)

    def drain(self, worker: int) -> None:
        """Tell `worker` to finish and leave."""
        self._pool.command(worker, WorkerCommand.DRAIN)

    def worker_died(self, worker: int) -> int | None:
        """Fail the exchange that a dead worker ran and empty its record."""
        repaired = _settle(self._pool.repair_worker, worker)
        if repaired is not None:
            self._pool.clear(worker)
        return repaired

    def front_died(self, front: int) -> int | None:
        """Release what a dead front held."""
        return _settle(self._pool.repair_front, front)


def _settle(repair: Callable[[int], int], index: int) -> int | None:
    try:
        return repair(index)
    except PoolFull:
        return None
