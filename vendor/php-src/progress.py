"""Progress of a long build: one line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

TERMINAL_PERIOD_S = 0.2
PLAIN_PERIOD_S = 20.0  # often enough for a log that a person or a watchdog follows


class Progress:
    """Says which stage runs, how far it is and how long all stages have taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_terminal = sys.stderr.isatty()
        self._period_s = TERMINAL_PERIOD_S if self._is_terminal else PLAIN_PERIOD_S
        self._started_mono = time.monotonic()
        self._said_mono = 0.0
        self._title = ""
        self._steps = 0
        self._done = 0

    def say(self, text: str) -> None:
        """Print one line that stays."""
        erase = "\r\x1b[K" if self._is_terminal else ""
        print(f"{erase}{self._clock()} {text}", file=sys.stderr, flush=True)

    def start(self, title: str, steps: int = 0) -> None:
        """Begin a stage of `steps` counted steps (0: not known)."""
        self._title, self._steps, self._done = title, steps, 0
        self._said_mono = time.monotonic()
        self.say(title)

    def step(self, *, is_counted: bool) -> None:
        """Note a line of output; a counted one is a finished step."""
        self._done += is_counted
        now_mono = time.monotonic()
        if now_mono - self._said_mono < self._period_s:
            return
        self._said_mono = now_mono
        share = f" {min(self._done, self._steps)}/{self._steps}" if self._steps else ""
        if self._is_terminal:
            print(f"\r\x1b[K{self._clock()} {self._title}{share}", end="", file=sys.stderr, flush=True)
        else:
            self.say(f"{self._title}{share}")

    def stop(self) -> None:
        """End a stage."""
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _clock(self) -> str:
        elapsed_s = int(time.monotonic() - self._started_mono)
        return f"{self._name} [{elapsed_s // 60}:{elapsed_s % 60:02d}]"
