"""Build hooks: build_kernel.py compiles the kernel, and the C sources travel with the package.

Another kernel (askr-php's) is compiled together with these sources, so an installed askr-shm holds them as `askr_shm/csrc`.
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
PACKAGE = "askr_shm"


class BuildKernel(build_py):
    """Compile the kernel beside the Python modules, then take it and the C sources into the build."""

    def run(self) -> None:
        """Build; with ASKR_SKIP_KERNELS set, an editable installation leaves the kernel to whoever asked for it."""
        super().run()
        if self.editable_mode:
            if not os.environ.get("ASKR_SKIP_KERNELS"):
                self._compile()
            return
        self._compile()
        target = pathlib.Path(self.build_lib) / PACKAGE
        for kernel in (HERE / "src" / PACKAGE).glob(f"_kernel*{sysconfig.get_config_var('EXT_SUFFIX')}"):
            shutil.copy2(kernel, target)
        sources = target / "csrc"
        sources.mkdir(exist_ok=True)
        for source in (HERE / "csrc").glob("*.[ch]"):
            shutil.copy2(source, sources)

    def _compile(self) -> None:
        subprocess.run([sys.executable, "build_kernel.py"], cwd=HERE, check=True)


class BinaryDistribution(Distribution):
    """A wheel of this package is for one platform and one Python."""

    def has_ext_modules(self) -> bool:
        """Say so although no Extension is declared: the kernel is compiled by build_kernel.py."""
        return True


setup(distclass=BinaryDistribution, cmdclass={"build_py": BuildKernel})
