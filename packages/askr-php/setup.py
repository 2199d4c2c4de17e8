"""Build hooks: build_kernel.py compiles the kernel against the distribution's PHP, or a static build.

$ASKR_PHP_PREFIX names the prefix of a build by vendor/php-src; without it, php-config is asked.
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
PACKAGE = "askr_php"


class BuildKernel(build_py):
    """Compile the kernel beside the Python modules, then take it into the build."""

    def run(self) -> None:
        """Build; with ASKR_SKIP_KERNELS set, an editable installation leaves the kernel to whoever asked for it."""
        super().run()
        if self.editable_mode:
            if not os.environ.get("ASKR_SKIP_KERNELS"):
                self._compile()
            return
        name = self._compile()
        kernel = f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        shutil.copy2(HERE / "src" / PACKAGE / kernel, pathlib.Path(self.build_lib) / PACKAGE)

    def _compile(self) -> str:
        prefix = os.environ.get("ASKR_PHP_PREFIX")
        kind = ["--php", "vendor", "--prefix", prefix] if prefix else ["--php", "system"]
        subprocess.run([sys.executable, "build_kernel.py", *kind], cwd=HERE, check=True)
        return "_kernel_vendor" if prefix else "_kernel_system"


class BinaryDistribution(Distribution):
    """A wheel of this package is for one platform, one Python and one PHP."""

    def has_ext_modules(self) -> bool:
        """Say so although no Extension is declared: the kernel is compiled by build_kernel.py."""
        return True


# In the checkout askr-shm's C sources are next door; anywhere else the build needs the package.
is_in_checkout = (HERE.parent / "askr-shm" / "csrc").is_dir()
setup(
    distclass=BinaryDistribution,
    cmdclass={"build_py": BuildKernel},
    setup_requires=[] if is_in_checkout else ["askr-shm>=0.1.0"],
)
