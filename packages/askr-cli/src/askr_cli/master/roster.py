"""Who is there and who is missing: fronts, the template and the workers, each in its place.

A place is filled by a fork, learns from its child when it is up, and is settled with the pool when the child has died: only then is it
filled again. When that may happen is the supervisor's to say, by the phase.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Protocol

from askr_cli.master.children import Child, Role, exit_words, is_own_child
from askr_cli.master.family import Family
from askr_cli.master.phases import (
    REFILLS_FRONTS,
    REFILLS_TEMPLATE,
    REFILLS_WORKERS,
    STOPPING,
    Phase,
    SlotEvent,
    SlotState,
)
from askr_cli.master.places import FrontPlace, Place, Slot, TemplatePlace
from askr_cli.master.template_link import Answer, Op, TemplateLink

if TYPE_CHECKING:
    from askr_cli.master.places import Launcher, PoolPort
    from askr_cli.master.poller import Poller

log = logging.getLogger("askr.master")

FORK_RETRY_S = 1.0  # after the kernel refused a fork (EAGAIN, ENOMEM)
REPAIR_RETRY_S = 0.05  # after the pool had no room for what a dead process leaves


class OnEnd(Protocol):
    """What is called when a child has ended and its place is settled."""

    def __call__(self, child: Child, code: int, *, had_requests: bool) -> None:
        """Learn that `child` left with `code` (negative: a signal)."""


class Roster:
    """The places and what happens to them.

    `phase` is set by the supervisor, who learns through `on_end` who has ended.
    """

    def __init__(
        self,
        *,
        fronts: int,
        workers: int,
        pool: PoolPort,
        launcher: Launcher,
        poller: Poller,
        on_end: OnEnd,
    ) -> None:
        self.phase = Phase.STARTING
        self.is_time_up = False  # of the phase: who starts now is not waited for
        self.refills_workers = True  # where the phase allows it
        self.fronts = [FrontPlace(index) for index in range(fronts)]
        self.slots = [Slot(index) for index in range(workers)]
        self.template = TemplatePlace(0)
        self.family = Family(poller, self._on_exit)
        self._pool = pool
        self._launcher = launcher
        self._poller = poller
        self._on_end = on_end

    def places(self) -> list[Place]:
        """Return all places."""
        return [*self.fronts, *self.slots, self.template]

    def is_all_up(self) -> bool:
        """Whether every front accepts and every worker is idle."""
        fronts_up = all(place.child is not None and place.child.is_up for place in self.fronts)
        return fronts_up and all(slot.state is SlotState.UP for slot in self.slots)

    # ---- filling places ----

    def refill(self) -> None:
        """Fill the places that are due, as far as the phase allows."""
        now_mono = time.monotonic()
        if self.phase in REFILLS_TEMPLATE and self.template.child is None and self.template.is_due(now_mono):
            self._start_template(now_mono)
        if self.phase in REFILLS_FRONTS:
            for place in self.fronts:
                if place.child is None and place.is_due(now_mono) and self._is_repaired(place, now_mono):
                    self._start_front(place, now_mono)
        link = self.template.link
        if self.phase in REFILLS_WORKERS and link is not None and self.refills_workers:
            for slot in self.slots:
                if slot.state is SlotState.EMPTY and slot.is_due(now_mono) and self._is_repaired(slot, now_mono):
                    self._ask_fork(slot, link)

    def _is_repaired(self, place: Slot | FrontPlace, now_mono: float) -> bool:
        """Settle the pool for this place if that was not possible when its last child died."""
        if place.needs_repair:
            self._repair(place, now_mono)
        return not place.needs_repair

    def _repair(self, place: Slot | FrontPlace, now_mono: float) -> int | None:
        repair = self._pool.worker_died if isinstance(place, Slot) else self._pool.front_died
        repaired = repair(place.index)
        place.needs_repair = repaired is None
        place.retry_mono = now_mono + REPAIR_RETRY_S if repaired is None else None
        return repaired

    def _ask_fork(self, slot: Slot, link: TemplateLink) -> None:
        if link.can_ask() and link.ask_fork(slot.index):
            slot.retry_mono = None
            slot.move(SlotEvent.ASK)

    def _start_template(self, now_mono: float) -> None:
        place = self.template
        link = TemplateLink()
        try:
            pid = self._launcher.template(link.child_fd)
        except OSError as error:
            self._note_fork_refused(place, "the template", error, now_mono)
            link.close()
            return
        finally:
            link.close_child_end()
        place.retry_mono = None
        place.index += 1
        place.link = link
        place.child = self.family.adopt(Role.TEMPLATE, place.index, pid)
        self._poller.watch(link.fd, self._on_control)

    def _start_front(self, place: FrontPlace, now_mono: float) -> None:
        reader, writer = os.pipe()
        try:
            pid = self._launcher.front(place.index, writer)
        except OSError as error:
            self._note_fork_refused(place, f"front {place.index}", error, now_mono)
            os.close(reader)
            return
        finally:
            os.close(writer)
        place.retry_mono = None
        place.ready_fd = reader
        place.child = self.family.adopt(Role.FRONT, place.index, pid)
        self._poller.watch(reader, lambda: self._on_front_ready(place))

    def _note_fork_refused(self, place: Place, name: str, error: OSError, now_mono: float) -> None:
        log.error("the kernel refused to fork %s: %s; trying again in %g s", name, error.strerror, FORK_RETRY_S)
        place.retry_mono = now_mono + FORK_RETRY_S

    # ---- what children say ----

    def _on_control(self) -> None:
        """The template said something, or closed its end (its pidfd tells the rest)."""
        self._read_control()
        if self.family.has_strangers:
            self.reap()

    def reap(self) -> None:
        """Wait for everybody who has ended."""
        self.family.reap(self._is_expecting)

    def _is_expecting(self) -> bool:
        """Read the template's answers, and tell whether one is still to come."""
        self._read_control()
        return self.template.link is not None and bool(self.template.link.asked)

    def _read_control(self) -> None:
        link = self.template.link
        if link is None:
            return
        for answer in link.answers():
            self._on_answer(answer)
        if link.is_closed or link.is_broken:
            self._poller.unwatch(link.fd)
        if link.is_broken and self.template.child is not None:
            log.error("%s said what it was not asked, and is killed", self.template.child)
            self.template.child.send(signal.SIGKILL)

    def _on_answer(self, answer: Answer) -> None:
        if answer.op is Op.READY:
            if self.template.child is not None:
                self.template.child.is_up = True
                log.log(logging.INFO if self.template.index > 1 else logging.DEBUG, "%s is ready", self.template.child)
            return
        slot = self.slots[answer.worker]
        if answer.op is Op.FORKED and not is_own_child(answer.value):
            slot.move(SlotEvent.FAILED)
            if self.template.link is not None:
                self.template.link.is_broken = True
        elif answer.op is Op.FORKED:
            slot.move(SlotEvent.FORKED)
            slot.child = self.family.adopt(Role.WORKER, slot.index, answer.value)
            if self.phase is Phase.DRAINING_WORKERS:
                slot.child.send(signal.SIGKILL if self.is_time_up else signal.SIGTERM)
            self._look_at(slot)  # it may have been faster than the message about it
        else:
            slot.move(SlotEvent.FAILED)
            error = OSError(answer.value, os.strerror(answer.value))
            self._note_fork_refused(slot, f"worker {slot.index}", error, time.monotonic())

    def _on_front_ready(self, place: FrontPlace) -> None:
        if os.read(place.ready_fd, 64) and place.child is not None:
            place.child.is_up = True
        self._close_ready(place)

    def _close_ready(self, place: FrontPlace) -> None:
        if place.ready_fd >= 0:
            self._poller.unwatch(place.ready_fd)
            os.close(place.ready_fd)
            place.ready_fd = -1

    def on_master_eventfd(self) -> None:
        """A worker became idle for the first time, or leaves."""
        try:
            os.eventfd_read(self._pool.master_eventfd)
        except BlockingIOError:
            return
        for slot in self.slots:
            self._look_at(slot)

    def _look_at(self, slot: Slot) -> None:
        """Note whether a starting worker takes requests now."""
        if slot.state is SlotState.STARTING and slot.child is not None and self._pool.view(slot.index).is_up:
            slot.move(SlotEvent.READY)
            slot.child.is_up = True
            if self.phase is Phase.DRAINING_WORKERS:  # its record had not been its own when the others were told
                self._pool.drain(slot.index)

    # ---- deaths ----

    def _on_exit(self, child: Child, code: int) -> None:
        """Settle the place of a child that has ended."""
        had_requests = False
        if child.role is Role.WORKER:
            had_requests = self._on_worker_exit(self.slots[child.index], child, code)
        elif child.role is Role.FRONT:
            self._on_front_exit(self.fronts[child.index], child, code)
        else:
            self._on_template_exit(child, code)
        self._on_end(child, code, had_requests=had_requests)

    def _on_worker_exit(self, slot: Slot, child: Child, code: int) -> bool:
        """Settle what the worker held, and return whether it ever had a request."""
        is_up, requests = self._pool.view(slot.index)
        child.is_up = child.is_up or is_up  # it may have died before the master looked
        slot.child = None
        slot.move(SlotEvent.EXITED)
        failed = self._repair(slot, time.monotonic())
        extra = {"pid": child.pid, "requests": requests, "failed": failed}
        if code == 0:
            log.debug("%s left", child, extra=extra)
        else:
            log.warning("%s %s", child, exit_words(code), extra=extra)
        return requests > 0 or bool(failed)

    def _on_front_exit(self, place: FrontPlace, child: Child, code: int) -> None:
        place.child = None
        self._close_ready(place)
        released = self._repair(place, time.monotonic())
        is_orderly = code == 0 or (self.phase in STOPPING and code == -signal.SIGTERM)
        level = logging.WARNING if not is_orderly else logging.DEBUG if self.phase in STOPPING else logging.INFO
        log.log(level, "%s %s", child, exit_words(code), extra={"pid": child.pid, "released": released})

    def _on_template_exit(self, child: Child, code: int) -> None:
        link = self.template.link
        self.template.child = None
        self.template.link = None
        if self.phase is not Phase.STOPPING_TEMPLATE:
            log.warning("%s %s", child, exit_words(code), extra={"pid": child.pid})
        if link is None:
            return
        for answer in link.answers():  # what it said before it died
            self._on_answer(answer)
        self._poller.unwatch(link.fd)
        link.close()
        if link.asked or link.is_broken:
            self._end_unannounced(link.asked)

    def _end_unannounced(self, indexes: set[int]) -> None:
        """Make sure that no worker runs in the slots that a dead template was asked to fill and did not answer for."""
        self.family.end_unannounced()
        for index in sorted(indexes):
            self.slots[index].move(SlotEvent.TEMPLATE_DIED)
            self._repair(self.slots[index], time.monotonic())

    # ---- leaving ----

    def tell_fronts_to_leave(self) -> None:
        """Have the fronts drain."""
        for place in self.fronts:
            if place.child is not None:
                place.child.send(signal.SIGTERM)

    def tell_workers_to_leave(self) -> None:
        """Have the workers finish and leave."""
        for slot in self.slots:
            if slot.state is SlotState.UP:
                self._pool.drain(slot.index)
            elif slot.child is not None:
                slot.child.send(signal.SIGTERM)  # it has no record to read a command from yet

    def stop_template(self) -> None:
        """Have the template leave."""
        place = self.template
        if place.child is None or place.link is None:
            return
        if place.link.is_ready:
            place.link.stop()
        else:
            place.child.send(signal.SIGKILL)  # it boots an application and reads no commands

    def end_everything(self) -> None:
        """End who is left, at once."""
        self.family.end_all()
        for place in self.fronts:
            self._close_ready(place)
        if self.template.link is not None:
            self.template.link.close()
