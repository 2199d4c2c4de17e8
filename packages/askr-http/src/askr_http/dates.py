"""HTTP dates (RFC 9110 section 5.6.7): the one form that is written, the three forms that are read."""

from __future__ import annotations

import calendar
import re
import time
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS: Final = (
    re.compile(rf"(?:{'|'.join(_DAYS)}), (?P<day>\d\d) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-(?P<month>[A-Z][a-z]{{2}})-(?P<year>\d\d) {_CLOCK} GMT"),
    re.compile(rf"(?:{'|'.join(_DAYS)}) (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})"),
)


def format_date(wall_s: int) -> bytes:
    """Return seconds since the epoch as an IMF-fixdate; not in the words of any locale."""
    t = time.gmtime(wall_s)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return f"{day}, {t.tm_mday:02} {month} {t.tm_year:04} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT".encode()


def maybe_parse_date(text: bytes, now_wall_s: int) -> int | None:
    """Return a date as seconds since the epoch; None when it is none, as a precondition with it is then ignored.

    Args:
        text: The field's value.
        now_wall_s: A year of two digits that seems more than 50 years ahead of it is in the past.
    """
    try:
        line = text.decode("ascii")
    except UnicodeDecodeError:
        return None
    for form in _FORMS:
        found = form.fullmatch(line)
        if found is None:
            continue
        year = int(found["year"])
        if len(found["year"]) == 2:
            this_year = time.gmtime(now_wall_s).tm_year
            year += this_year // 100 * 100
            if year > this_year + 50:
                year -= 100
        try:
            moment = datetime(
                year,
                _MONTHS.index(found["month"]) + 1,
                int(found["day"]),
                int(found["hour"]),
                int(found["minute"]),
                min(int(found["second"]), 59),  # a leap second
                tzinfo=UTC,
            )
        except ValueError:
            return None
        return calendar.timegm(moment.timetuple())
    return None
