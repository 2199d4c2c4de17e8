"""From flags, file and environment to one checked `Settings`, and from settings to absolute paths.

Reading is apart from looking at the disk: `config-check` does the first only, so that a file for another machine can be checked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askr_cli.config_file import ConfigError, read_config
from askr_cli.options import OPTIONS, Settings, make_settings
from askr_cli.values import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolve_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings that explicit `flags` (by option name), the file they name, and `environment` give.

    Raises:
        ConfigError: flags beside --config that it would make void, or any error in the file or between options.
    """
    values = dict(flags)
    path = flags.get("config")
    if path is not None:
        refused = [option.flag for option in OPTIONS if option.name in flags and not option.may_join_config]
        if refused:
            names = " ".join(str(flag) for flag in refused)
            message = f"--config is the whole configuration, so these flags would be ignored: {names}"
            raise ConfigError(message)
        values = read_config(path) | values
    for option in OPTIONS:
        if option.env and option.name not in values and environment.get(option.env):
            try:
                values[option.name] = option.kind.parse(environment[option.env])
            except InvalidValueError as error:
                message = f"${option.env} {error}"
                raise ConfigError(message) from None
    settings = make_settings(values)
    if settings.cow and settings.worker_script is None:
        message = "--cow requires --worker-script"
        raise ConfigError(message)
    if settings.worker_script is not None and not settings.front_controller:
        message = "an empty --front ([server] front) is for per-request mode: with a worker script, that script answers what no file answers"
        raise ConfigError(message)
    return settings


@dataclass(frozen=True)
class Places:
    """Where the application is: absolute paths that exist, but for `front_controller`, which is below the root, and may be empty."""

    root: str
    front_controller: str
    worker_script: str | None
    app_base: str | None

    @property
    def script(self) -> str:
        """What the template runs."""
        return self.worker_script or os.path.join(self.root, self.front_controller)  # noqa: PTH118 - of texts, and "" is the root itself


def _find_front_controller(settings: Settings, root: Path) -> str:
    if not settings.front_controller:
        return ""
    front = Path(os.path.normpath(root / settings.front_controller))
    if root not in front.parents:
        message = f"front controller {front} is not below the document root {root}"
        raise ConfigError(message)
    if not front.is_file():
        message = f"front controller not found: {front} (--front or [server] front names it, relative to the root)"
        raise ConfigError(message)
    return front.relative_to(root).as_posix()


def find_places(settings: Settings) -> Places:
    """Return the paths of `settings`, looked up from the current directory.

    Raises:
        ConfigError: one of them is not there.
    """
    wanted = settings.root or ("public" if Path("public").is_dir() else ".")
    root = Path(wanted).absolute()
    if not root.is_dir():
        message = f"document root not found: {root} (--root or [server] root names it)"
        raise ConfigError(message)
    root = root.resolve()
    front_controller = _find_front_controller(settings, root)
    script = Path(settings.worker_script).absolute() if settings.worker_script else None
    if script is not None and not script.is_file():
        message = f"worker script not found: {script} (--worker-script or [worker] script names it)"
        raise ConfigError(message)
    base = Path(settings.app_base).absolute() if settings.app_base else None
    if base is not None and not base.is_dir():
        message = f"[worker] app_base is not a directory: {base} (the key or $ASKR_APP_BASE names it)"
        raise ConfigError(message)
    return Places(
        root=str(root),
        front_controller=front_controller,
        worker_script=None if script is None else str(script),
        app_base=None if base is None else str(base),
    )
