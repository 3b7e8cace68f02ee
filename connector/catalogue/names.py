"""Names of columns that SQL, URLs and OData all take, made of Amazon's titles."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_NAME = 59  # bytes; PostgreSQL keeps 63, the rest is for suffixes of ours
# PostgreSQL's own columns of every table, and the parameter under which links travel.
_TAKEN = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "token"}
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)


def safe_name(title: str) -> str:
    """A column name that SQL, URLs and OData all take: [a-z][a-z0-9_]*, no double underscore, at most 59 bytes.

    A title without a Latin letter or digit gets a name made of its hash, so that it stays the same in every file.
    """
    plain = unicodedata.normalize("NFKD", title.translate(_LETTERS)).encode("ascii", "ignore").decode()
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not name:
        return "column_" + hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    if name in _TAKEN or not name[0].isalpha():
        name = "c_" + name
    return name[:MAX_NAME].rstrip("_")


def safe_names(titles: Iterable[str]) -> list[str]:
    """Safe names for all titles, in order and all different; the first bearer of a name keeps it."""
    return made_different([safe_name(title) for title in titles])


def made_different(wished: list[str]) -> list[str]:
    """The names, in order and each with a number of its own behind it where another has it already."""
    taken: set[str] = set()
    names: list[str] = []
    for wish in wished:
        name, number = wish, 1
        while name in taken or (number > 1 and name in wished):
            number += 1
            suffix = f"_{number}"
            name = wish[: MAX_NAME - len(suffix)].rstrip("_") + suffix
        taken.add(name)
        names.append(name)
    return names
