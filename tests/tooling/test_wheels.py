"""Each package can be built and installed alone: what its wheel holds and what it asks for."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[2] / "packages"
EXT_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# What a package may ask for of Askr's own; the arrows of the architecture.
MAY_NEED = {
    "askr-shm": set(),
    "askr-php": {"askr-shm"},
    "askr-http": {"askr-shm"},
    "askr-cli": {"askr-shm", "askr-php", "askr-http"},
}


@pytest.fixture(scope="module", params=sorted(MAY_NEED))
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel, built from a copy of the package that has no checkout around it."""
    folder = tmp_path_factory.mktemp("wheel")
    package = folder / request.param
    shutil.copytree(
        PACKAGES / request.param, package, ignore=shutil.ignore_patterns("*.so", "build", "*.egg-info", "tests")
    )
    # The environment's own setuptools and cffi build it: a test does not depend on an index.
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, "-w", folder, package], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_a_wheel_holds_all_that_the_package_needs(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    metadata = email.message_from_bytes(wheel.read(next(name for name in names if name.endswith("/METADATA"))))
    package = str(metadata["Name"])
    module = package.replace("-", "_")
    source = PACKAGES / package
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]

    assert metadata["Version"] == project["version"]
    assert metadata["License-Expression"] == "MIT"
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert f"{module}/py.typed" in names
    modules = {str(path.relative_to(source / "src")) for path in source.glob("src/**/*.py")}
    assert modules <= names

    needed = {
        re.split("[^a-z-]", line)[0] for line in metadata.get_all("Requires-Dist", []) if line.startswith("askr-")
    }
    assert needed <= MAY_NEED[package]

    kernels = {name for name in names if name.endswith(".so")}
    expected = {
        "askr-shm": {f"askr_shm/_kernel{EXT_SUFFIX}"},
        "askr-php": {f"askr_php/_kernel_system{EXT_SUFFIX}"},
        "askr-http": {f"askr_http/_kernel{EXT_SUFFIX}"},
    }
    assert kernels == expected.get(package, set())


def test_a_wheel_of_askr_shm_carries_the_c_that_other_kernels_are_compiled_with(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    carried = {name for name in names if name.endswith((".c", ".h"))}
    is_shm = any(name.startswith("askr_shm-") for name in names)
    wanted = (
        {f"askr_shm/csrc/{path.name}" for path in (PACKAGES / "askr-shm" / "csrc").glob("*.[ch]")} if is_shm else set()
    )
    assert carried == wanted
