"""The supervisor: one poll over signals, pidfds, the template's control socket, the fronts' pipes and the pool's eventfd.

Everything that happens is handled to its end before the next poll, so there is no concurrency to reason about. A death is certain
when the kernel says so (waitid); only then is the pool repaired and the place filled again. What may happen when is in `phases`, who
is there in `roster`; here is what moves the master from phase to phase: signals, time, and deaths that come too often.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from askr_cli.master.children import Child, Role, exit_words
from askr_cli.master.crashloop import CrashLoopGuard
from askr_cli.master.phases import STOPPING, TRANSITIONS, Event, Phase, SlotState
from askr_cli.master.poller import Poller
from askr_cli.master.roster import Roster
from askr_cli.master.signals import SignalPipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from askr_cli.master.places import Launcher, PoolPort

log = logging.getLogger("askr.master")

LEAST_GRACE_S = 1.0  # for workers and template, when the fronts used up the time to drain
FRONT_SLACK_S = 1.0  # a front ends what is in flight when the time to drain is over; then it needs a moment to leave


class Supervisor:
    """Runs `fronts` fronts, one template and `workers` workers until it is told to stop.

    `on_up` is called once, when everything is up for the first time; `on_stop` once, when no more clients are wanted.
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
        on_stop: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._drain_timeout_s = drain_timeout_s
        self._on_up = on_up
        self._on_stop = on_stop
        self._guard = CrashLoopGuard(fronts + workers + 1)
        self._poller = Poller()
        self._roster = Roster(
            fronts=fronts, workers=workers, pool=pool, launcher=launcher, poller=self._poller, on_end=self._judge
        )
        self._deadline_mono: float | None = None  # of the phase
        self._drain_until_mono = 0.0
        self._exit_code = 0
        self._is_giving_up = False
        self._is_terminal = os.isatty(2)
        self._signals: SignalPipe | None = None

    @property
    def phase(self) -> Phase:
        """What the master is doing."""
        return self._roster.phase

    def run(self) -> int:
        """Start everything, supervise, stop when told to, and return the exit code."""
        self._signals = SignalPipe()
        self._poller.watch(self._signals.fd, self._on_signals)
        self._poller.watch(self._pool.master_eventfd, self._roster.on_master_eventfd)
        try:
            while not self._is_done():
                self._step()
        finally:
            self._roster.end_everything()  # after an orderly stop there are at most orphans
            self._poller.unwatch(self._signals.fd)
            self._signals.close()
        return self._exit_code

    def _is_done(self) -> bool:
        """Do what can be done now."""
        self._roster.refill()
        self._advance()
        return self.phase is Phase.DONE

    def _step(self) -> None:
        """Wait for the next thing to happen, and for no longer than something is to be done at a certain time."""
        now_mono = time.monotonic()
        retries = [place.retry_mono for place in self._roster.places()]
        wakes = [retry_mono for retry_mono in retries if retry_mono is not None and retry_mono > now_mono]
        if self._deadline_mono is not None:
            wakes.append(self._deadline_mono)
        self._poller.step(min(wakes) - now_mono if wakes else None)
        if self._deadline_mono is not None and time.monotonic() >= self._deadline_mono:
            self._on_deadline()

    # ---- giving up ----

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
        self._roster.refills_workers = False  # not even for requests in flight
        if self.phase not in STOPPING:
            log.error("%s", reason)
            self._exit_code = 1
            self._stop()

    # ---- signals ----

    def _on_signals(self) -> None:
        if self._signals is None:
            return
        for number in dict.fromkeys(self._signals.read()):
            if number is signal.SIGCHLD:
                self._roster.reap()
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
        self._roster.tell_fronts_to_leave()
        self._on_stop()

    def _move(self, event: Event) -> None:
        self._roster.phase = TRANSITIONS[self.phase][event]
        log.debug("askr is %s", self.phase.value)

    def _advance(self) -> None:
        """Follow the table as far as what has happened allows."""
        if self.phase is Phase.STARTING and self._roster.is_all_up():
            self._move(Event.ALL_UP)
            self._on_up()
        if self.phase is Phase.DRAINING_FRONTS and not any(place.child for place in self._roster.fronts):
            self._move(Event.FRONTS_GONE)
            self._grant_grace()
            self._roster.tell_workers_to_leave()
        if self.phase is Phase.DRAINING_WORKERS and all(slot.state is SlotState.EMPTY for slot in self._roster.slots):
            self._move(Event.WORKERS_GONE)
            self._grant_grace()
            self._roster.stop_template()
        if self.phase is Phase.STOPPING_TEMPLATE and self._roster.template.child is None:
            self._move(Event.TEMPLATE_GONE)

    def _grant_grace(self) -> None:
        grace_s = LEAST_GRACE_S if self._drain_until_mono else 0.0
        self._deadline_mono = max(self._drain_until_mono, time.monotonic() + grace_s)
        self._roster.is_time_up = False

    def _on_deadline(self) -> None:
        """The phase has no time left."""
        roles = {
            Phase.DRAINING_FRONTS: {Role.FRONT},
            Phase.DRAINING_WORKERS: {Role.WORKER},
            Phase.STOPPING_TEMPLATE: {Role.TEMPLATE},
        }.get(self.phase, set())
        if self.phase is Phase.DRAINING_WORKERS and any(slot.state is SlotState.ASKED for slot in self._roster.slots):
            roles = {Role.WORKER, Role.TEMPLATE}
        for child in self._roster.family.members(*roles):
            log.warning("%s did not finish in time and is killed", child, extra={"pid": child.pid})
            child.send(signal.SIGKILL)
        self._deadline_mono = None
        self._roster.is_time_up = True
