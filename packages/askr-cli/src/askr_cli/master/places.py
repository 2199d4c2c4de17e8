"""The places that the supervisor keeps filled, and what it needs from outside to do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from askr_cli.master.phases import SLOT_TRANSITIONS, SlotEvent, SlotState

if TYPE_CHECKING:
    from askr_cli.master.children import Child
    from askr_cli.master.template_link import TemplateLink


class WorkerView(NamedTuple):
    """What a worker's record says: whether it takes requests (or has), and how many it served."""

    is_up: bool
    requests: int


class PoolPort(Protocol):
    """What the master does with the pool (`pool_port` adapts askr_shm's; the tests have a fake)."""

    @property
    def master_eventfd(self) -> int:
        """Readable when a worker became idle for the first time, or leaves."""

    def view(self, worker: int) -> WorkerView:
        """Return what the record of `worker` says."""

    def drain(self, worker: int) -> None:
        """Tell `worker` to finish and leave."""

    def worker_died(self, worker: int) -> int | None:
        """Settle what a dead worker held; return how many exchanges, or None when it is to be tried again."""

    def front_died(self, front: int) -> int | None:
        """Settle what a dead front held; return how many exchanges, or None when it is to be tried again."""


class Launcher(Protocol):
    """How children are started; both return the child's pid or raise OSError."""

    def front(self, index: int, ready_fd: int) -> int:
        """Fork front `index`, which writes a byte to `ready_fd` when it accepts."""

    def template(self, control_fd: int) -> int:
        """Fork a template that is commanded through `control_fd`."""


@dataclass
class Place:
    """Where one child belongs. `retry_mono`: not to be filled before; `needs_repair`: not before the pool is settled."""

    index: int
    child: Child | None = None
    retry_mono: float | None = None
    needs_repair: bool = False

    def is_due(self, now_mono: float) -> bool:
        """Whether the place may be filled as far as time goes."""
        return self.retry_mono is None or self.retry_mono <= now_mono


@dataclass
class FrontPlace(Place):
    """One front; `ready_fd` is readable once it accepts, -1 when closed."""

    ready_fd: int = -1


@dataclass
class TemplatePlace(Place):
    """The template; `index` counts its generations."""

    link: TemplateLink | None = None


@dataclass
class Slot(Place):
    """One worker."""

    state: SlotState = SlotState.EMPTY

    def move(self, event: SlotEvent) -> None:
        """Follow the table."""
        self.state = SLOT_TRANSITIONS[self.state][event]
