"""The supervisor: one poll over signals, pidfds, the template's control socket, the fronts' pipes and the pool's eventfd.

Everything that happens is handled to its end before the next poll, so there is no concurrency to reason about. A death is certain
when the kernel says so (waitid); only then is the pool repaired and the place filled again. What may happen when is in `phases`.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from askr_cli.master.children import Child, Role, exit_words
from askr_cli.master.crashloop import CrashLoopGuard
from askr_cli.master.family import Family
from askr_cli.master.phases import (
    REFILLS_FRONTS,
    REFILLS_TEMPLATE,
    REFILLS_WORKERS,
    STOPPING,
    TRANSITIONS,
    Event,
    Phase,
    SlotEvent,
    SlotState,
)
from askr_cli.master.places import FrontPlace, Place, Slot, TemplatePlace
from askr_cli.master.poller import Poller
from askr_cli.master.signals import SignalPipe
from askr_cli.master.template_link import Answer, Op, TemplateLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from askr_cli.master.places import Launcher, PoolPort

log = logging.getLogger("askr.master")

LEAST_GRACE_S = 1.0  # for workers and template, when the fronts used up the time to drain
FRONT_SLACK_S = 1.0  # a front ends what is in flight when the time to drain is over; then it needs a moment to leave
FORK_RETRY_S = 1.0  # after the kernel refused a fork (EAGAIN, ENOMEM)
REPAIR_RETRY_S = 0.05  # after the pool had no room for what a dead process leaves


class Supervisor:
    """Runs `fronts` fronts, one template and `workers` workers until it is told to stop.

    `on_up` is called once, when everything is up for the first time.
    """

    def __init__(
        self,
        *,
        fronts: int,
        workers: int,
        pool: PoolPort,
        launcher: Launcher,
        drain_timeout_s: float,
        on_up: Callable[[], None],
    ) -> None:
        self.phase = Phase.STARTING
        self.fronts = [FrontPlace(index) for index in range(fronts)]
        self.slots = [Slot(index) for index in range(workers)]
        self.template = TemplatePlace(0)
        self._pool = pool
        self._launcher = launcher
        self._drain_timeout_s = drain_timeout_s
        self._on_up = on_up
        self._guard = CrashLoopGuard(fronts + workers + 1)
        self._poller = Poller()
        self._family = Family(self._poller, self._on_exit)
        self._deadline_mono: float | None = None  # of the phase
        self._drain_until_mono = 0.0
        self._exit_code = 0
        self._is_giving_up = False  # a crash loop was found: workers are not refilled, not even for requests in flight
        self._is_terminal = os.isatty(2)
        self._signals: SignalPipe | None = None

    def run(self) -> int:
        """Start everything, supervise, stop when told to, and return the exit code."""
        self._signals = SignalPipe()
        self._poller.watch(self._signals.fd, self._on_signals)
        self._poller.watch(self._pool.master_eventfd, self._on_master_eventfd)
        try:
            while not self._is_done():
                self._step()
        finally:
            self._end_everything()
            self._poller.unwatch(self._signals.fd)
            self._signals.close()
        return self._exit_code

    def _is_done(self) -> bool:
        """Do what can be done now."""
        self._refill()
        self._advance()
        return self.phase is Phase.DONE

    def _step(self) -> None:
        """Wait for the next thing to happen, and for no longer than something is to be done at a certain time."""
        now_mono = time.monotonic()
        wakes = [
            place.retry_mono for place in self._places() if place.retry_mono is not None and place.retry_mono > now_mono
        ]
        if self._deadline_mono is not None:
            wakes.append(self._deadline_mono)
        self._poller.step(min(wakes) - now_mono if wakes else None)
        if self._deadline_mono is not None and time.monotonic() >= self._deadline_mono:
            self._on_deadline()

    def _places(self) -> list[Place]:
        return [*self.fronts, *self.slots, self.template]

    # ---- filling places ----

    def _refill(self) -> None:
        now_mono = time.monotonic()
        if self.phase in REFILLS_TEMPLATE and self.template.child is None and self.template.is_due(now_mono):
            self._start_template(now_mono)
        if self.phase in REFILLS_FRONTS:
            for place in self.fronts:
                if place.child is None and place.is_due(now_mono) and self._is_repaired(place, now_mono):
                    self._start_front(place, now_mono)
        link = self.template.link
        if self.phase in REFILLS_WORKERS and link is not None and not self._is_giving_up:
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
        place.child = self._family.adopt(Role.TEMPLATE, place.index, pid)
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
        place.child = self._family.adopt(Role.FRONT, place.index, pid)
        self._poller.watch(reader, lambda: self._on_front_ready(place))

    def _note_fork_refused(self, place: Place, name: str, error: OSError, now_mono: float) -> None:
        log.error("the kernel refused to fork %s: %s; trying again in %g s", name, error.strerror, FORK_RETRY_S)
        place.retry_mono = now_mono + FORK_RETRY_S

    # ---- what children say ----

    def _on_control(self) -> None:
        """The template said something, or closed its end (its pidfd tells the rest)."""
        self._read_control()
        if self._family.has_strangers:
            self._family.reap(self._is_expecting)

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
        if link.is_closed:
            self._poller.unwatch(link.fd)

    def _on_answer(self, answer: Answer) -> None:
        if answer.op is Op.READY:
            if self.template.child is not None:
                self.template.child.is_up = True
                log.log(logging.INFO if self.template.index > 1 else logging.DEBUG, "%s is ready", self.template.child)
            return
        slot = self.slots[answer.worker]
        if answer.op is Op.FORKED:
            slot.move(SlotEvent.FORKED)
            slot.child = self._family.adopt(Role.WORKER, slot.index, answer.value)
            if self.phase is Phase.DRAINING_WORKERS:
                slot.child.send(signal.SIGTERM if self._deadline_mono is not None else signal.SIGKILL)
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

    def _on_master_eventfd(self) -> None:
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
        had_requests = False
        if child.role is Role.WORKER:
            had_requests = self._on_worker_exit(self.slots[child.index], child, code)
        elif child.role is Role.FRONT:
            self._on_front_exit(self.fronts[child.index], child, code)
        else:
            self._on_template_exit(child, code)
        self._judge(child, code, had_requests=had_requests)

    def _judge(self, child: Child, code: int, *, had_requests: bool) -> None:
        """End everything when starting it again is no help."""
        now_mono = time.monotonic()
        age_s = now_mono - child.started_mono
        if child.role is Role.TEMPLATE and child.index == 1 and not child.is_up and self.phase is Phase.STARTING:
            self._give_up("the application did not boot: the lines above say why")
        elif self._guard.note_exit(
            code=code, age_s=age_s, was_ready=child.is_up, had_requests=had_requests, now_mono=now_mono
        ):
            self._give_up(
                f"crash loop: {self._guard.limit} processes ended at once within 30 s, the last was {child}, which {exit_words(code)}; "
                "giving up, because starting more would not help. The lines above say why they ended"
            )

    def _give_up(self, reason: str) -> None:
        if self._is_giving_up:
            return
        self._is_giving_up = True
        if self.phase not in STOPPING:
            log.error("%s", reason)
            self._exit_code = 1
            self._stop()

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
        if link.asked:
            self._end_unannounced(link.asked)

    def _end_unannounced(self, indexes: set[int]) -> None:
        """Make sure that no worker runs in the slots that a dead template was asked to fill and did not answer for."""
        self._family.end_unannounced()
        for index in sorted(indexes):
            self.slots[index].move(SlotEvent.TEMPLATE_DIED)
            self._repair(self.slots[index], time.monotonic())

    # ---- signals ----

    def _on_signals(self) -> None:
        if self._signals is None:
            return
        for number in dict.fromkeys(self._signals.read()):
            if number is signal.SIGCHLD:
                self._family.reap(self._is_expecting)
            elif number is signal.SIGHUP:
                self._on_hangup()
            elif self.phase not in STOPPING:
                log.info("%s: stopping", number.name)
                self._stop()
            elif number is signal.SIGINT:
                log.warning("SIGINT again: not waiting any longer")
                self._drain_until_mono = 0.0
                self._deadline_mono = time.monotonic()

    def _on_hangup(self) -> None:
        if self._is_terminal and not os.isatty(2):  # the terminal was closed; nobody asked for a reload
            if self.phase not in STOPPING:
                self._stop()
        else:
            log.warning("SIGHUP: reload is not available in this version; still serving")

    # ---- stopping ----

    def _stop(self) -> None:
        self._move(Event.STOP)
        self._drain_until_mono = time.monotonic() + self._drain_timeout_s
        self._deadline_mono = self._drain_until_mono + FRONT_SLACK_S
        for place in self.fronts:
            if place.child is not None:
                place.child.send(signal.SIGTERM)

    def _move(self, event: Event) -> None:
        self.phase = TRANSITIONS[self.phase][event]
        log.debug("askr is %s", self.phase.value)

    def _advance(self) -> None:
        """Follow the table as far as what has happened allows."""
        if self.phase is Phase.STARTING and self._is_all_up():
            self._move(Event.ALL_UP)
            self._on_up()
        if self.phase is Phase.DRAINING_FRONTS and not any(place.child for place in self.fronts):
            self._move(Event.FRONTS_GONE)
            self._grant_grace()
            for slot in self.slots:
                self._tell_to_leave(slot)
        if self.phase is Phase.DRAINING_WORKERS and all(slot.state is SlotState.EMPTY for slot in self.slots):
            self._move(Event.WORKERS_GONE)
            self._grant_grace()
            self._stop_template()
        if self.phase is Phase.STOPPING_TEMPLATE and self.template.child is None:
            self._move(Event.TEMPLATE_GONE)

    def _is_all_up(self) -> bool:
        fronts_up = all(place.child is not None and place.child.is_up for place in self.fronts)
        return fronts_up and all(slot.state is SlotState.UP for slot in self.slots)

    def _grant_grace(self) -> None:
        grace_s = LEAST_GRACE_S if self._drain_until_mono else 0.0
        self._deadline_mono = max(self._drain_until_mono, time.monotonic() + grace_s)

    def _tell_to_leave(self, slot: Slot) -> None:
        if slot.state is SlotState.UP:
            self._pool.drain(slot.index)
        elif slot.child is not None:
            slot.child.send(signal.SIGTERM)  # it has no record to read a command from yet

    def _stop_template(self) -> None:
        place = self.template
        if place.child is None or place.link is None:
            return
        if place.link.is_ready:
            place.link.stop()
        else:
            place.child.send(signal.SIGKILL)  # it boots an application and reads no commands

    def _on_deadline(self) -> None:
        """The phase has no time left."""
        roles = {
            Phase.DRAINING_FRONTS: {Role.FRONT},
            Phase.DRAINING_WORKERS: {Role.WORKER},
            Phase.STOPPING_TEMPLATE: {Role.TEMPLATE},
        }.get(self.phase, set())
        if self.phase is Phase.DRAINING_WORKERS and any(slot.state is SlotState.ASKED for slot in self.slots):
            roles = {Role.WORKER, Role.TEMPLATE}
        for child in self._family.members(*roles):
            log.warning("%s did not finish in time and is killed", child, extra={"pid": child.pid})
            child.send(signal.SIGKILL)
        self._deadline_mono = None

    def _end_everything(self) -> None:
        """End what is left, when `run` ends by an exception; after an orderly stop there are at most orphans."""
        self._family.end_all()
        for place in self.fronts:
            self._close_ready(place)
        if self.template.link is not None:
            self.template.link.close()
