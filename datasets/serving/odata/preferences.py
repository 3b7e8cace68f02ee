"""What a request says beside its address: the Prefer header (RFC 7240) and OData's versions and isolation.

A preference may be ignored, and is then not among those that `Preference-Applied` names. Of what OData knows only the size of a
page is honoured: there are no annotations, entity references, changes to track or calls to make later.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest

from datasets.problems import BadRequest, printable
from datasets.serving.odata.errors import NotOffered, PreconditionFailed

PREFERENCE = re.compile(r'\s*([\w.!#$%&\'*+^`|~-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^",;]*))?[^,]*(?:,|$)', re.ASCII)
PAGE_SIZES = ("maxpagesize", "odata.maxpagesize")
VERSION = re.compile(r"\s*(\d{1,3})(?:\.(\d{1,3}))?\s*", re.ASCII)


@dataclass(frozen=True)
class PageSize:
    """How many rows a page has at most, and the name by which the client said so."""

    name: str
    rows: int

    @property
    def applied(self) -> str:
        """What `Preference-Applied` says of it."""
        return f"{self.name}={self.rows}"


def page_size(request: HttpRequest, most: int) -> PageSize | None:
    """The PageSize of the Prefer header, never more than `most` rows; None where it says nothing usable."""
    for name, value in _preferences(request.headers.get("Prefer", "")).items():
        if name in PAGE_SIZES and re.fullmatch(r"[0-9]{1,9}", value) and int(value):
            return PageSize(name, min(int(value), most))
    return None


def _preferences(header: str) -> dict[str, str]:
    """{name: value}, the first of each name."""
    found: dict[str, str] = {}
    for name, value in PREFERENCE.findall(header):
        found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def check(request: HttpRequest) -> None:
    """Raises where the client wants another OData than 4.0, or an isolation that there is none of."""
    _check_version("OData-MaxVersion", request, lambda asked: asked >= (4, 0))
    _check_version("OData-Version", request, lambda asked: asked in ((4, 0), (4, 1)))
    for name in ("OData-Isolation", "Isolation"):
        wished = request.headers.get(name)
        if wished is not None and wished.strip().lower() != "snapshot":  # which every walk through pages has
            raise PreconditionFailed(f"{name}: '{printable(wished)}' is not offered. There is: snapshot.")


def _check_version(name: str, request: HttpRequest, is_ours: Callable[[tuple[int, int]], bool]) -> None:
    text = request.headers.get(name)
    if text is None:
        return
    found = VERSION.fullmatch(text)
    if not found:
        raise BadRequest(f"{name}: '{printable(text)}' is no version. Write 4.0.")
    if not is_ours((int(found[1]), int(found[2] or 0))):
        raise NotOffered(f"{name}: OData {printable(text)} is not offered. There is: 4.0.")
