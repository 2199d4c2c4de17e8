"""How many CPUs this process may use: its affinity, cut by the quota of its control group.

Sources: proc(5) /proc/self/cgroup; the kernel's cgroup-v2 (`cpu.max`) and cgroup-v1 (`cpu.cfs_quota_us`, `cpu.cfs_period_us`) documents.
"""

from __future__ import annotations

import math
import os
from pathlib import Path


def granted_cpus(root: Path = Path("/"), affinity: int | None = None) -> int:
    """Return the CPUs that may be used at the same time, at least 1; a quota of 1.5 CPUs gives 2.

    `root` stands in for `/` and `affinity` for sched_getaffinity(2) in tests.
    """
    cpus = len(os.sched_getaffinity(0)) if affinity is None else affinity
    quotas = [quota for quota in (_quota_v2(root), _quota_v1(root)) if quota is not None]
    return max(1, min([cpus, *(math.ceil(quota) for quota in quotas)]))


def default_fronts(workers: int) -> int:
    """Return the number of fronts for `workers`: one for every four, rounded, at least one."""
    return max(1, round(workers / 4))


def _own_group(root: Path, controller: str) -> str | None:
    """Return the path of this process's group; "" is the controller of version 2."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            return path
    return None


def _quota_v2(root: Path) -> float | None:
    group = _own_group(root, "")
    if group is None:
        return None
    quotas = []
    for folder in _with_parents(root / "sys/fs/cgroup", group):
        words = _read(folder / "cpu.max").split()
        if len(words) == 2 and words[0] != "max":
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def _quota_v1(root: Path) -> float | None:
    group = _own_group(root, "cpu")
    if group is None:
        return None
    quotas = []
    for mount in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
        for folder in _with_parents(root / "sys/fs/cgroup" / mount, group):
            quota = _read(folder / "cpu.cfs_quota_us").strip()
            period = _read(folder / "cpu.cfs_period_us").strip()
            if quota and period and int(quota) > 0:  # -1 is no limit
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _with_parents(mount: Path, group: str) -> list[Path]:
    """Return the folders of `group` and of all groups around it; in a container the own one may not be visible, its root is."""
    parts = [part for part in group.split("/") if part not in {"", ".."}]
    return [mount.joinpath(*parts[:size]) for size in range(len(parts), -1, -1)]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
