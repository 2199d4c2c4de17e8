"""What can go wrong while an application is fetched or laid out."""

from __future__ import annotations


class FetchError(Exception):
    """Raised when an application cannot be laid out.

    The message says what happened, where the log is, and what to do; it is for people and needs no traceback.
    """
