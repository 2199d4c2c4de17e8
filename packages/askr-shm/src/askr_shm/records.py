"""What is said about a pool, as plain values: its sizes, its books, its workers, and an exchange as its front sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Lane(IntEnum):
    """Which thread of a front process uses the pool; to the kernel each is a front of its own."""

    LOOP = 0  # the event loop's
    WIRE = 1  # the native wire's


class WorkerCommand(IntEnum):
    """What the master wants of a worker."""

    RUN = 0
    DRAIN = 1


class WorkerState(IntEnum):
    """What a worker does."""

    EMPTY = 0
    STARTING = 1
    IDLE = 2
    BUSY = 3
    LEAVING = 4


class ExchangeState(IntEnum):
    """Where an exchange is."""

    FREE = 0
    FILLING = 1
    QUEUED = 2
    RUNNING = 3
    DONE = 4
    FAILED = 5


@dataclass(frozen=True)
class PoolSpec:
    """How large a pool is.

    `exchanges` (a power of two) bounds the requests at once, waiting ones included; `blocks` times `block_bytes` the bytes of requests and responses
    in shared memory; `fronts` counts processes, each of which has two lanes; `spool_stride_bytes` is the size of one spooled request body.
    """

    exchanges: int = 1024
    blocks: int = 4096
    block_bytes: int = 16384
    fronts: int = 1
    workers: int = 512
    spool_stride_bytes: int = 1 << 30


@dataclass(frozen=True)
class WorkerRecord:
    """What is known of a worker from outside.

    `requests` counts those served since it started; `exchange` is what it runs (0: nothing); `since_mono_ns` is when `state` last changed.
    """

    pid: int
    state: WorkerState
    command: WorkerCommand
    requests: int
    exchange: int
    since_mono_ns: int


@dataclass(frozen=True)
class Audit:
    """The books of a pool: a snapshot that is exact when nothing moves.

    `blocks_lost` counts blocks whose exchange is free: 0 unless a release is just under way.
    """

    exchanges: dict[ExchangeState, int]
    blocks_used: int
    blocks_free: int
    blocks_lost: int
    queue_depth: int


@dataclass(frozen=True, slots=True)
class Observation:
    """An exchange as its front sees it.

    `head_size_bytes` is 0 until the whole response head can be read; `readable_bytes` counts what is published and not read, head included.
    """

    state: ExchangeState
    head_size_bytes: int
    readable_bytes: int
    is_final: bool
    is_failed: bool
    is_cancelled: bool
