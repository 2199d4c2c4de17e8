"""The fork that gives the parent a child: both ways to do it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "csrc" / "php_fork.c"
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
SIBLING_EXIT = 7


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return php_fork.c, which needs nothing of PHP, as a library."""
    target = tmp_path_factory.mktemp("fork") / "fork.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", str(SOURCE), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


@pytest.mark.parametrize("way", ["askr_fork_sibling", "askr_fork_twice"])
def test_the_child_is_a_child_of_the_callers_parent(library: ctypes.CDLL, way: str) -> None:
    fork = getattr(library, way)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reader, writer = os.pipe()
    here = os.getpid()
    template = os.fork()
    if template == 0:
        sibling = fork()
        if sibling == 0:
            os._exit(SIBLING_EXIT if os.getppid() == here else 1)
        os.write(writer, str(sibling).encode())
        os._exit(0)
    sibling = int(os.read(reader, 32))
    assert os.waitstatus_to_exitcode(os.waitpid(template, 0)[1]) == 0
    assert os.waitstatus_to_exitcode(os.waitpid(sibling, 0)[1]) == SIBLING_EXIT
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    os.close(reader)
    os.close(writer)
