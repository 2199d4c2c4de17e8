"""Any process may die at any moment: what its clients see, and what is left afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from tests.e2e.conftest import Behaviours
from tests.e2e.e2e_client import Client
from tests.support import processes
from tests.support.books import BooksReader, pool_of

ROUNDS = 12  # kills in a test
TEMPLATE_ROUNDS = (
    4  # one that is killed before it was ready looks like one that cannot boot, and many of those end the server
)
CONNECTIONS = 12
DIED = b"askr: php worker died mid-request"


class Load:
    """Clients that ask without pause, each for its own thing, and note what they got."""

    def __init__(self, server: Behaviours) -> None:
        """Prepare clients for `server`."""
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CONNECTIONS)]
        self._answered = threading.Semaphore(0)

    def __enter__(self) -> Self:
        """Start the clients."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_answers(self, count: int) -> None:
        """Wait until `count` further requests are answered or cut."""
        for _ in range(count):
            assert self._answered.acquire(timeout=60), "nothing is answered any more"

    def _run(self, number: int) -> None:
        n = 0
        while not self._stop.is_set():
            try:
                with Client(self._server) as client:
                    while not self._stop.is_set():
                        n += 1
                        self._ask(client, f"{number}-{n}")
            except ConnectionError:
                self.seen["cut"] += 1
                self._answered.release()

    def _ask(self, client: Client, own: str) -> None:
        size = 40_000 if len(own) % 2 else 1000
        kind = random.random()
        if kind < 0.2:  # in chunks: the native wire lends the connection to Python
            reply = client.request("POST", "/sha1.php", body=own.encode(), chunked=True)
            expected = f"{len(own)} {hashlib.sha1(own.encode()).hexdigest()}".encode()
        elif kind < 0.6:
            reply = client.get(f"/echo.php?id={own}&us=300", headers={"Cookie": f"id={own}", "X-Id": own})
            expected = f"{own} {own} - {own}".encode()
        else:
            reply = client.get(f"/large.php?n={size}")
            expected = b"".join(b"%015d\n" % i for i in range(size // 16 + 1))[:size]
        if reply.status == 200 and reply.body == expected:
            self.seen["right"] += 1
        elif reply.status == 502 and reply.body == DIED:
            self.seen["502"] += 1
        else:
            self.wrong.append(f"{own}: {reply.status}, {len(reply.body)} bytes: {reply.body[:80]!r}")
        self._answered.release()


@pytest.fixture
def pool(behaviours: Behaviours) -> Iterator[BooksReader]:
    """The shared memory of the server under test."""
    with pool_of(behaviours.process.pid) as reader:
        yield reader


def kill_some(pick: Callable[[], list[int]], load: Load, rounds: int = ROUNDS) -> int:
    """Kill a random one of `pick()` again and again, with answers in between; return how many were killed."""
    killed = 0
    for _ in range(rounds):
        load.wait_answers(30)
        victims = pick()
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(victims), signal.SIGKILL)
                killed += 1
    load.wait_answers(30)
    return killed


def test_workers_killed_under_load_cost_their_own_requests_only(behaviours: Behaviours, pool: BooksReader) -> None:
    behaviours.expect_log(r"killed by signal 9|SIGKILL")
    with Load(behaviours) as load:
        killed = kill_some(lambda: pool.worker_pids(behaviours.workers), load)
    assert not load.wrong
    assert load.seen["502"] + load.seen["cut"] <= killed
    behaviours.wait_for(lambda: len(pool.worker_pids(behaviours.workers)) == behaviours.workers)
    behaviours.wait_for(lambda: pool.books().are_balanced)


def test_a_killed_front_costs_its_own_connections_and_is_replaced(behaviours: Behaviours, pool: BooksReader) -> None:
    behaviours.expect_log(r"killed by signal 9|SIGKILL")
    with Load(behaviours) as load:
        killed = kill_some(behaviours.process.fronts, load)
    assert killed
    assert not load.wrong
    assert load.seen["502"] == 0
    assert load.seen["cut"] >= 1
    with Client(behaviours) as client:
        assert client.get("/pid.php").status == 200
    behaviours.wait_for(lambda: pool.books().are_balanced)


def test_a_killed_template_costs_nothing(behaviours: Behaviours, pool: BooksReader) -> None:
    behaviours.expect_log(r"killed by signal 9|SIGKILL")

    def templates() -> list[int]:
        children = processes.children_of(behaviours.process.pid)
        return [pid for pid in children if processes.command_name(pid) == "askr-template"]

    with Load(behaviours) as load:
        assert kill_some(templates, load, TEMPLATE_ROUNDS)
        behaviours.wait_for(lambda: bool(templates()))
        os.kill(pool.worker_pids(behaviours.workers)[0], signal.SIGKILL)  # the next worker comes from the new template
        load.wait_answers(30)
        behaviours.wait_for(lambda: len(pool.worker_pids(behaviours.workers)) == behaviours.workers)
    assert not load.wrong
    assert load.seen["502"] + load.seen["cut"] <= 1


def test_a_client_that_leaves_leaves_nothing_behind(behaviours: Behaviours, pool: BooksReader) -> None:
    for _ in range(40):
        client = Client(behaviours)
        client.send("GET", "/large.php?n=3000000")
        client.close()
    behaviours.wait_for(lambda: pool.books().are_balanced)
    with Client(behaviours) as client:
        assert client.get("/pid.php").status == 200
