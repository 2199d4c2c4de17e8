"""What scripts/apt-install.sh does where packages are there, may be installed, or may not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "apt-install.sh"
HAS_EVERYTHING = 'printf "installed"'
HAS_NOTHING = "exit 1"


class Machine:
    """A PATH with programs that write down how they were called, and nothing else that could install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        for tool in ("bash", "cat", "env", "mktemp", "rm", "tail"):
            found = next(path for base in ("/usr/bin", "/bin") if (path := Path(base) / tool).exists())
            (folder / tool).symlink_to(found)

    def program(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.calls}\n{body}\n')
        path.chmod(0o755)

    def install(self, *packages: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if name != "ASKR_NO_APT"} | {"PATH": str(self.folder)}
        command = ["bash", str(SCRIPT), "to test", *packages]
        return subprocess.run(command, env=env, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    fake = Machine(tmp_path)
    fake.program("apt-get", "")
    fake.program("dpkg-query", HAS_NOTHING)
    fake.program("id", "echo 1000")
    return fake


def test_nothing_happens_when_everything_is_installed(machine: Machine) -> None:
    machine.program("dpkg-query", HAS_EVERYTHING)
    done = machine.install("gcc", "make")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "apt-get" not in machine.calls.read_text()


def test_root_installs_and_says_what_and_why(machine: Machine) -> None:
    machine.program("id", "echo 0")
    done = machine.install("gcc", "make")
    assert done.returncode == 0
    assert "installing gcc make (to test)" in done.stderr
    assert "install -y --no-install-recommends gcc make" in machine.calls.read_text()


def test_without_root_or_sudo_one_command_is_printed(machine: Machine) -> None:
    done = machine.install("gcc", "make")
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends gcc make" in done.stderr
    assert "apt-get" not in machine.calls.read_text()


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.program("sudo", '[ "$1" = -n ] || exec "$@"')
    done = machine.install("gcc")
    assert done.returncode == 0
    assert "sudo env DEBIAN_FRONTEND=noninteractive apt-get" in machine.calls.read_text()


def test_package_lists_are_read_once_when_a_package_is_not_found(machine: Machine) -> None:
    machine.program("id", "echo 0")
    machine.program(
        "apt-get", f'case "$*" in *update) touch {machine.folder}/lists ;; *) [ -e {machine.folder}/lists ] ;; esac'
    )
    (machine.folder / "touch").symlink_to("/usr/bin/touch")
    assert machine.install("gcc").returncode == 0
    assert machine.calls.read_text().count("apt-get") == 3


def test_a_failed_installation_shows_the_end_of_its_output_and_a_command(machine: Machine) -> None:
    machine.program("id", "echo 0")
    machine.program("apt-get", "echo Unable to locate package gcc >&2; exit 100")
    done = machine.install("gcc")
    assert done.returncode == 1
    assert "Unable to locate package gcc" in done.stderr
    assert "apt-get update && apt-get install" in done.stderr
