"""Media types by extension: the same on every machine, whatever its /etc/mime.types says."""

from __future__ import annotations

import mimetypes
from typing import Final

# What Python 3.11 does not know, or knows by an older name.
_OURS: Final = {
    "aac": "audio/aac", "apk": "application/vnd.android.package-archive", "apng": "image/apng", "atom": "application/atom+xml",
    "avif": "image/avif", "br": "application/x-brotli", "bz2": "application/x-bzip2", "cur": "image/x-icon",
    "deb": "application/vnd.debian.binary-package", "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eot": "application/vnd.ms-fontobject", "epub": "application/epub+zip", "flac": "audio/flac", "geojson": "application/geo+json",
    "glb": "model/gltf-binary", "gltf": "model/gltf+json", "gz": "application/gzip", "heic": "image/heic", "heif": "image/heif",
    "ico": "image/x-icon", "ics": "text/calendar", "jar": "application/java-archive", "jfif": "image/jpeg", "js": "text/javascript",
    "json5": "application/json5", "jsonld": "application/ld+json", "jxl": "image/jxl", "kml": "application/vnd.google-earth.kml+xml",
    "kmz": "application/vnd.google-earth.kmz", "less": "text/plain", "log": "text/plain", "m3u8": "application/vnd.apple.mpegurl",
    "m4a": "audio/mp4", "m4v": "video/mp4", "map": "application/json", "markdown": "text/markdown", "md": "text/markdown",
    "mjs": "text/javascript", "mkv": "video/x-matroska", "mpd": "application/dash+xml", "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation", "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text", "oga": "audio/ogg", "ogg": "audio/ogg", "ogv": "video/ogg", "opus": "audio/ogg",
    "otf": "font/otf", "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", "rar": "application/vnd.rar",
    "rss": "application/rss+xml", "rtf": "application/rtf", "scss": "text/plain", "svgz": "image/svg+xml", "7z": "application/x-7z-compressed",
    "ts": "video/mp2t", "ttc": "font/collection", "ttf": "font/ttf", "vcf": "text/vcard", "vtt": "text/vtt", "wasm": "application/wasm",
    "weba": "audio/webm", "webm": "video/webm", "webmanifest": "application/manifest+json", "webp": "image/webp", "woff": "font/woff",
    "woff2": "font/woff2", "xhtml": "application/xhtml+xml", "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xml": "application/xml", "xsl": "application/xml",
    "yaml": "application/yaml", "yml": "application/yaml", "zip": "application/zip", "zst": "application/zstd",
}  # fmt: skip
_UNKNOWN: Final = "application/octet-stream"
# HTML and XML name their encoding themselves, and what the field says would override it.
_WITH_CHARSET: Final = frozenset({
    "text/plain", "text/css", "text/javascript", "text/csv", "text/markdown", "text/calendar", "text/vcard", "text/vtt",
})  # fmt: skip
_COMPRESSIBLE: Final = frozenset({
    "application/json", "application/javascript", "application/xml", "application/xhtml+xml", "application/wasm", "image/svg+xml",
    "application/manifest+json", "application/rss+xml", "application/atom+xml", "application/ld+json", "application/geo+json", "font/ttf",
    "font/otf", "application/vnd.ms-fontobject", "image/x-icon",
})  # fmt: skip


def _table() -> dict[str, str]:
    # An instance starts from Python's built-in table; the module's functions would add the machine's files.
    table = {extension[1:]: kind for extension, kind in mimetypes.MimeTypes(()).types_map[True].items()}
    return table | _OURS


_TYPES: Final = _table()


def extensions() -> list[str]:
    """Return the extensions that are known, in lower case."""
    return sorted(_TYPES)


def media_type(name: bytes) -> str:
    """Return the media type of a file by its name, without parameters."""
    _, dot, extension = name.rpartition(b".")
    return _TYPES.get(extension.decode("latin-1").lower(), _UNKNOWN) if dot else _UNKNOWN


def content_type(name: bytes) -> bytes:
    """Return the value of Content-Type for a file by its name."""
    kind = media_type(name)
    return f"{kind}; charset=utf-8".encode() if kind in _WITH_CHARSET else kind.encode()


def is_compressible(name: bytes) -> bool:
    """Whether files of that name are worth compressing, so that a compressed sibling is looked for."""
    kind = media_type(name)
    return kind.startswith("text/") or kind in _COMPRESSIBLE
