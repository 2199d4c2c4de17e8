"""Every option of `askr serve`, one row each.

The command line, the reader of askr.toml, `--config`'s conflict message, `config-check` and the reference pages all
walk this table; `Settings` is the record that comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from askr_cli.values import Address, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from askr_http.wires import WireChoice


@dataclass(frozen=True)
class Option:
    """One option. `name` is the field of `Settings`; `flag` or `key` ("section.key") is None where there is none.

    `default` is written as a user would, or None when the absence has a meaning of its own, which `absent` says.
    `tier` is the contract's: core, plus, or askr for what the first generation did not have.
    """

    name: str
    flag: str | None
    key: str | None
    kind: Kind
    default: str | None
    help: str
    tier: str = "core"
    absent: str = ""
    flag_help: str = ""  # where the flag says the opposite of the key
    env: str | None = None
    may_join_config: bool = False  # it is not part of the configuration, so `--config` does not refuse it

    @property
    def is_negative(self) -> bool:
        """Whether the flag says no (`--no-scripts`)."""
        return self.flag is not None and self.flag.startswith("--no-")

    def default_value(self) -> Any:
        """Return the default as a value, None where there is none."""
        return None if self.default is None else self.kind.parse(self.default)


OPTIONS: tuple[Option, ...] = (
    Option("config", "--config", None, Kind.PATH, None,
           "Read FILE as the whole configuration; every other flag that sets something is refused beside it.",
           absent="flags only", may_join_config=True),
    Option("root", "--root", "server.root", Kind.PATH, None,
           "Document root, relative to the current directory.", absent="`public` if it is a directory, else `.`"),
    Option("front_controller", "--front", "server.front", Kind.FRONT, "index.php",
           "Front controller, relative to the root: answers what no file answers. Empty: there is none, and that is 404 (per-request mode only)."),
    Option("listen", "--listen", "server.listen", Kind.ADDRESS, "127.0.0.1:8000",
           "Where to listen; port 0 lets the kernel choose."),
    Option("workers", "--workers", "server.workers", Kind.WORKERS, "auto",
           "Worker processes: requests that run PHP at the same time. `auto` is the CPUs that the cgroup grants."),
    Option("fronts", "--fronts", "server.fronts", Kind.FRONTS, "auto",
           "Front processes, which hold the connections. `auto` is one for every four workers, at least one.", tier="askr"),
    Option("wire", "--wire", "server.wire", Kind.WIRE, "auto",
           "What speaks HTTP: `native`, in C on a thread of its own; `pure`, its reference in Python; `auto` is native where it loads.",
           tier="askr"),
    Option("max_connections", "--max-connections", "server.max_connections", Kind.CONNECTIONS, "8192",
           "Connections of one front process at once; more are answered with 503 and closed.", tier="askr"),
    Option("max_connections_per_address", "--max-connections-per-address", "server.max_connections_per_address", Kind.COUNT, "0",
           "Connections of one front process from one address at once; more are answered with 503 and closed. 0 is no limit: behind a proxy, all have its address.",
           tier="askr"),
    Option("https", "--https", "server.https", Kind.SWITCH, "false",
           "Set `$_SERVER['HTTPS']` to `on`: TLS ends at a proxy in front of Askr."),
    Option("scripts", "--no-scripts", "server.scripts", Kind.SWITCH, "true",
           "Run an existing `.php` file below the root when a request names it; without this, the front controller answers all.",
           tier="askr", flag_help="Do not run a `.php` file because a request names it: the front controller answers all."),
    Option("follow_symlinks", "--follow-symlinks", "server.follow_symlinks", Kind.SWITCH, "false",
           "Serve files behind symbolic links that leave the root.", tier="askr"),
    Option("max_requests", "--max-requests", "server.max_requests", Kind.COUNT, "0",
           "Recycle a worker after N requests, staggered so that not all leave at once; 0 is never."),
    Option("max_body_size", "--max-body-size", "server.max_body_size", Kind.SIZE, "16M",
           "Largest request body; more is answered with 413."),
    Option("header_read_timeout_s", "--header-read-timeout", "server.header_read_timeout", Kind.SECONDS, "15",
           "Time for a request's head to arrive.", tier="plus"),
    Option("keepalive_timeout_s", "--keepalive-timeout", "server.keepalive_timeout", Kind.SECONDS, "75",
           "Time that an idle connection is kept open for the next request.", tier="askr"),
    Option("queue_timeout_s", "--queue-timeout", "server.queue_timeout", Kind.SECONDS, "30",
           "Time that a request waits for a worker; then it is answered with 503.", tier="askr"),
    Option("drain_timeout_s", "--drain-timeout", "server.drain_timeout", Kind.GRACE, "10",
           "Time for requests in flight to finish when Askr stops.", tier="askr"),
    Option("access_log", "--access-log", "server.access_log", Kind.PATH, None,
           "Write one JSON line per request to PATH; `-` is standard output.", absent="none"),
    Option("worker_script", "--worker-script", "worker.script", Kind.PATH, None,
           "Worker mode: PHP runs FILE once per worker, the application stays booted between requests.",
           absent="per-request mode"),
    Option("app_base", None, "worker.app_base", Kind.PATH, None,
           "The application's directory, exported as `ASKR_APP_BASE`.", absent="none", env="ASKR_APP_BASE"),
    Option("ini", "--ini", "worker.ini", Kind.TEXT, "",
           "Lines of php.ini, after the built-in ones.", env="ASKR_PHP_INI"),
    Option("cow", "--cow", None, Kind.SWITCH, "false",
           "Accepted for compatibility: workers are always forked copy-on-write from a template. Needs `--worker-script`."),
    Option("log_format", "--log-format", None, Kind.LOG_FORMAT, "text",
           "Format of the log on standard error.", tier="askr", may_join_config=True),
    Option("log_filter", "--log-level", None, Kind.LOG_FILTER, "askr=info",
           "Least level to log (error, warn, info, debug, trace, off), also by target: `warn,askr.master=debug`.",
           tier="askr", env="RUST_LOG", may_join_config=True),
    Option("ready_fd", "--ready-fd", None, Kind.COUNT, None,
           "Write one JSON line to this descriptor when everything is up, and close it.",
           tier="askr", absent="none", may_join_config=True),
)  # fmt: skip

# What the contract has and this version does not: refused by name, because ignoring it in silence would be worse.
LATER_FLAGS = frozenset(
    {"--admin", "--workers-min", "--workers-max", "--max-rss", "--shadow-to", "--shadow-sample", "--http3", "--force-https",
     "--http-redirect", "--tls-handshake-timeout", "--tls-cert", "--tls-key", "--tls-self-signed", "--paranoid", "--queue",
     "--queue-max", "--queue-script", "--queue-slots", "--scheduler-script", "--sidecar", "--cache-slots", "--cache-large-slots",
     "--response-cache", "--broadcast", "--pusher", "--pusher-secret", "--canary", "--record-errors", "--acme", "--acme-domain",
     "--acme-email", "--acme-dir", "--acme-staging", "--acme-directory-url", "--acme-directory", "--acme-http", "--acme-ca-root",
     "--sandbox", "--sandbox-write", "--traffic-log"},
)  # fmt: skip
LATER_KEYS = frozenset(
    {"server.workers_min", "server.workers_max", "server.max_rss", "server.shadow_to", "server.shadow_sample",
     "server.force_https", "server.http_redirect", "server.traffic_log", "server.trusted_proxies", "server.http3",
     "server.tls_handshake_timeout", "server.sandbox", "server.sandbox_write", "worker.paranoid"},
)  # fmt: skip
LATER_SECTIONS = frozenset(
    {"tls", "acme", "admin", "queue", "scheduler", "cache", "broadcast", "pusher", "reload", "record", "sidecar", "redirect",
     "site", "ratelimit"},
)  # fmt: skip
LATER_COMMANDS = ("test", "replay", "cache-report", "tune", "upgrade")


@dataclass(frozen=True)
class Settings:
    """The configuration of `askr serve`; paths as written, sizes in bytes, times in seconds.

    `workers` and `fronts` are None for "auto"; `front_controller` is empty where there is none; `root` is None for the rule in its row. Made by `make_settings`.
    """

    config: str | None
    root: str | None
    front_controller: str
    listen: Address
    workers: int | None
    fronts: int | None
    wire: WireChoice
    max_connections: int
    max_connections_per_address: int
    https: bool
    scripts: bool
    follow_symlinks: bool
    max_requests: int
    max_body_size: int
    header_read_timeout_s: float
    keepalive_timeout_s: float
    queue_timeout_s: float
    drain_timeout_s: float
    access_log: str | None
    worker_script: str | None
    app_base: str | None
    ini: str
    cow: bool
    log_format: Literal["text", "json"]
    log_filter: str
    ready_fd: int | None


def make_settings(values: Mapping[str, Any]) -> Settings:
    """Return settings with `values` (by option name) over the defaults of the table."""
    return Settings(**{option.name: option.default_value() for option in OPTIONS} | dict(values))


def option_by_key(key: str) -> Option | None:
    """Return the option that `key` ("section.key") sets."""
    return next((option for option in OPTIONS if option.key == key), None)


def known_keys(section: str) -> list[str]:
    """Return the keys of `section` in the order of the table."""
    return [option.key.partition(".")[2] for option in OPTIONS if option.key and option.key.startswith(f"{section}.")]


def known_sections() -> list[str]:
    """Return the names of the sections in the order of the table."""
    return list(dict.fromkeys(option.key.partition(".")[0] for option in OPTIONS if option.key))
