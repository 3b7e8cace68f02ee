"""What fits a typed column.

PostgreSQL takes more than was meant, and more than its clients read back: NaN, infinity, the word 'today', years of
five digits. Values are judged here as they come; what a table itself refuses is in `columns.READABLE`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

_MOMENT = r"(?!0000)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)? ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?)?)?"
# A date may carry the midnight that JSON writers put behind it.
_DATE = r"(?!0000)\d{4}-\d\d-\d\d(?:[T ]00:00(?::00(?:\.0{1,9})?)? ?(?:Z|UTC|[+-]00(?::?00)?)?)?"
FITS = {
    "bigint": re.compile(r"[+-]?\d{1,19}", re.ASCII).fullmatch,
    "numeric": re.compile(r"[+-]?(?:\d{1,38}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d\d?)?", re.ASCII).fullmatch,
    "boolean": re.compile(r"t|f|y|n|true|false|yes|no|on|off|1|0", re.IGNORECASE).fullmatch,
    "date": re.compile(_DATE, re.ASCII).fullmatch,
    "timestamptz": re.compile(_MOMENT, re.ASCII).fullmatch,
}


class Fit:
    """Looks at rows of these columns and gathers in `unfit` the names of those that a value does not fit."""

    def __init__(self, names: Iterable[str], types: Mapping[str, str]) -> None:
        self.unfit: set[str] = set()
        self.moments = [place for place, name in enumerate(names) if types.get(name) in ("date", "timestamptz")]
        self._checks = [(place, name, FITS[types[name]]) for place, name in enumerate(names) if types.get(name) in FITS]

    def look(self, values: Sequence[object]) -> None:
        """Looks at one row, in the order of the names; None and an empty text fit everywhere."""
        for check in self._checks:
            place, name, fits = check
            value = values[place]
            if value is None or value == "" or (type(value) is bool and fits is FITS["boolean"]):
                continue
            if not fits(value if type(value) is str else str(value)):
                self.unfit.add(name)
                self._checks = [other for other in self._checks if other is not check]
