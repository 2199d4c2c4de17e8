"""Who answers a request: a static file, a script, a redirect, or the front controller (try_files).

No I/O: what lies below the root is asked of a `Tree`. The order, for a path with the components a/b/c:

    a/b/c is a regular file that may be given away    → the file (GET and HEAD; 405 for other methods)
    a, a/b or a/b/c is a regular file "*.php"         → that script, the rest is PATH_INFO    (scripts)
    a/b/c is a directory with an index                → with a slash at the end the index: index.php, index.html;
                                                        without one, a redirect to the path with the slash
    everything else                                   → the front controller; 404 where there is none

A script is found by its own name, never by what follows it: /upload/x.jpg/y.php is not x.jpg, because no regular file is named
upload/x.jpg/y.php and x.jpg is no script ("cgi.fix_pathinfo" attacks). Components are decoded one by one, so that `%2f` never
becomes a separator. `.` and `..` name nothing and are dropped, decoded or not; hidden files exist only in `.well-known`.

A path with `..` behind a name goes to the front controller: /admin/../x is /x for a proxy that resolves it (RFC 3986 section 5.2.4)
and asks nobody's password, so it must not be /admin/x, nor anything else, for us.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from askr_http.errors import ServerAnswer
from askr_http.exchange import RequestHead

# Sources and what editors leave of them; contract, "static files". `.inc` holds PHP in many older applications.
_FORBIDDEN: Final = re.compile(
    rb".*(?:\.php\..*|~|\.(?:bak|orig|save|swp|swo|old|rej|tmp|php[0-9]?|phps|pht|phtm|phtml|phar|inc))",
    re.IGNORECASE | re.DOTALL,
)
_NOT_IN_NAMES: Final = re.compile(rb"[/\\\0]")
_LONGEST_NAME: Final = 255
_SAFE_IN_PATH: Final = "/!$&'()*+,;=:@-._~"
INDEX_FILES: Final = (b"index.php", b"index.html")


class Kind(Enum):
    """What a path below the root is."""

    NOTHING = auto()  # or something that is not given away: a socket, a link that leaves the root
    FILE = auto()
    DIRECTORY = auto()


Tree = Callable[[bytes], Kind]
"""Says what a relative path is, b"" being the root itself."""


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """What is routed how.

    Attributes:
        root: The document root, absolute, without a slash at its end.
        front_controller: Its path below the root; empty: there is none, and what no file answers does not exist.
        runs_scripts: Whether requests may name scripts; otherwise PHP is the front controller alone.
    """

    root: bytes
    front_controller: bytes
    runs_scripts: bool


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file below the root."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """A script with CGI's names (RFC 3875 section 4.1); `filename` is absolute."""

    name: bytes
    filename: bytes
    path_info: bytes


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another path of the same host."""

    status: int
    location: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """An answer of the server; `allow` lists the methods of a 405."""

    answer: ServerAnswer
    allow: bytes = b""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """`OPTIONS *`: a question about the server, not about a resource (RFC 9110 section 9.3.7)."""


Route = StaticFile | Script | Redirect | Refuse | ServerOptions


def is_servable(name: bytes) -> bool:
    """Whether a file of that name may be given away as bytes."""
    return _FORBIDDEN.fullmatch(name) is None


def is_ambiguous(parts: list[bytes]) -> bool:
    """Whether `..` stands behind a name."""
    first = next((at for at, part in enumerate(parts) if part not in {b"", b".", b".."}), len(parts))
    return b".." in parts[first:]


def is_name(component: bytes) -> bool:
    """Whether a component can be the name of something that is routed to."""
    if component.startswith(b".") and component != b".well-known":
        return False
    return len(component) <= _LONGEST_NAME and _NOT_IN_NAMES.search(component) is None


def front_controller(policy: RoutePolicy) -> Script | Refuse:
    """Return the route of what no file answers."""
    if not policy.front_controller:
        return Refuse(ServerAnswer.NOT_FOUND)
    return Script(b"/" + policy.front_controller, policy.root + b"/" + policy.front_controller, b"")


def route(head: RequestHead, policy: RoutePolicy, tree: Tree) -> Route:
    """Return who answers."""
    if head.raw_path == b"*":
        return ServerOptions()
    parts = [unquote_to_bytes(part) for part in head.raw_path.split(b"/")]
    if is_ambiguous(parts):
        return front_controller(policy)
    components = [part for part in parts if part not in {b"", b".", b".."}]
    is_directory_path = parts[-1] in {b"", b".", b".."}
    named = 0  # how many components can be names: what lies behind them can be PATH_INFO only
    while named < len(components) and is_name(components[named]):
        named += 1
    if named == len(components):
        found = _existing(head, policy, tree, components, is_directory_path=is_directory_path)
        if found is not None:
            return found
    if policy.runs_scripts:
        for count in range(1, named + 1):
            if components[count - 1].endswith(b".php") and (path := b"/".join(components[:count])):
                kind = tree(path)
                if kind is Kind.NOTHING:
                    break  # and nothing is below it
                if kind is Kind.DIRECTORY:
                    continue
                rest = b"".join(b"/" + part for part in components[count:])
                return _script(policy, path, rest + (b"/" if is_directory_path else b""))
    return front_controller(policy)


def _script(policy: RoutePolicy, path: bytes, path_info: bytes = b"") -> Script:
    return Script(b"/" + path, policy.root + b"/" + path, path_info)


def _existing(
    head: RequestHead, policy: RoutePolicy, tree: Tree, components: list[bytes], *, is_directory_path: bool
) -> Route | None:
    """Return the route to a file or directory that has exactly this name."""
    path = b"/".join(components)
    if components and not is_directory_path and not is_servable(components[-1]):
        return None
    kind = tree(path)
    if kind is Kind.FILE and not is_directory_path:
        return _file(head, path)
    if kind is not Kind.DIRECTORY:
        return None
    index = next((name for name in INDEX_FILES if tree(_below(path, name)) is Kind.FILE), None)
    if index is None or (index.endswith(b".php") and not policy.runs_scripts):
        return None  # an application may have a route of that name
    if not is_directory_path:
        is_safe = head.method in {b"GET", b"HEAD"}
        # From the components, not from the target: "//host" would be another host.
        location = "/" + quote_from_bytes(path, safe=_SAFE_IN_PATH) + "/"
        return Redirect(301 if is_safe else 308, location.encode() + (b"?" + head.query if head.query else b""))
    found = _below(path, index)
    return _script(policy, found) if index.endswith(b".php") else _file(head, found)


def _below(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _file(head: RequestHead, path: bytes) -> Route:
    if head.method not in {b"GET", b"HEAD"}:
        return Refuse(ServerAnswer.METHOD_NOT_ALLOWED, allow=b"GET, HEAD")
    return StaticFile(path)
