"""Build hooks: build_kernel.py compiles the native wire, together with askr-shm's C.

Without a kernel askr-http still serves, with the pure wire; a wheel has one.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "askr_http"


class BuildKernel(build_py):
    """Compile the kernel beside the Python modules, then take it into the build."""

    def run(self) -> None:
        """Build; with ASKR_SKIP_KERNELS set, an editable installation leaves the kernel to whoever asked for it."""
        super().run()
        if self.editable_mode:
            if not os.environ.get("ASKR_SKIP_KERNELS"):
                self._compile()
            return
        self._compile()
        kernel = f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
        shutil.copy2(HERE / "src" / PACKAGE / kernel, pathlib.Path(self.build_lib) / PACKAGE)

    def _compile(self) -> None:
        subprocess.run([sys.executable, "build_kernel.py"], cwd=HERE, check=True)


class BinaryDistribution(Distribution):
    """A wheel of this package is for one platform and one Python."""

    def has_ext_modules(self) -> bool:
        """Say so although no Extension is declared: the kernel is compiled by build_kernel.py."""
        return True


# In the checkout askr-shm is next door; anywhere else the build needs the package.
is_in_checkout = (HERE.parent / "askr-shm" / "src").is_dir()
setup(
    distclass=BinaryDistribution,
    cmdclass={"build_py": BuildKernel},
    setup_requires=[] if is_in_checkout else ["askr-shm>=0.1.0"],
)
