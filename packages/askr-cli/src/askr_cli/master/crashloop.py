"""The crash-loop guard: when everything that is started dies at once, starting more is no help.

Contract, "Crash-loop guard": exits other than 0 within 3 s of their start count; max(3 x slots, 10) of them within 30 s end the master.
Two things are judged more finely than that:

- A process that ends before it was ever ready counts whatever its age and exit code, so that a boot that takes long and fails is not
  repeated for ever; so does one that leaves with 0 at once and unasked, without having had a request.
- A worker that had a request, or that was killed with SIGKILL after it was ready, does not count: else whoever finds a request that ends
  the interpreter could end the server with ten of them, and so could the kernel's memory killer.
"""

from __future__ import annotations

import signal
from collections import deque

QUICK_S = 3.0
WINDOW_S = 30.0
LEAST_LIMIT = 10


class CrashLoopGuard:
    """Counts quick failures. Times are monotonic seconds, given by the caller."""

    def __init__(self, slots: int) -> None:
        """Guard `slots` processes."""
        self.limit = max(3 * slots, LEAST_LIMIT)
        self._failures: deque[float] = deque()

    def note_exit(self, *, code: int, age_s: float, was_ready: bool, had_requests: bool, now_mono: float) -> bool:
        """Take note that a process ended with `code` (negative: a signal) after `age_s`; return whether it is a crash loop now."""
        is_excused = age_s > QUICK_S or had_requests or code == -signal.SIGKILL
        if was_ready and is_excused:
            return False
        self._failures.append(now_mono)
        while self._failures and self._failures[0] < now_mono - WINDOW_S:
            self._failures.popleft()
        return len(self._failures) >= self.limit
