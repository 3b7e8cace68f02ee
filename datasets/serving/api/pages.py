"""Lists in pieces: `_limit`, an opaque `_cursor`, and the next piece in the Link header."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from django.core import signing
from django.http import HttpRequest, HttpResponse
from ninja import Query

from datasets.problems import BadParameters, printable
from datasets.serving.http.response_format import absolute

Item = TypeVar("Item")
PARAMETERS = ("_limit", "_cursor")
Limit = Annotated[str | None, Query(None, alias="_limit", description="the maximum number of items")]
Cursor = Annotated[str | None, Query(None, alias="_cursor", description="from the Link of the piece before")]
SIGNER = signing.Signer(salt="datasets.serving.api.pages")


def limit_of(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise BadParameters(
            [("_limit", f"_limit: a whole number from 1 to {most} is needed, not '{printable(text)}'.")]
        )
    return int(text)


def cursor_of(text: str | None) -> int | None:
    """The key behind which the list goes on, or None."""
    if text is None:
        return None
    try:
        return int(SIGNER.unsign(text))
    except (signing.BadSignature, ValueError):
        raise BadParameters([("_cursor", "_cursor: this cursor is not valid. Start without one.")]) from None


def piece(
    items: Iterable[Item], limit: int, request: HttpRequest, response: HttpResponse, key: Callable[[Item], object]
) -> list[Item]:
    """The first `limit` of the items; names the next piece in `response` where there is one. Give one item more than the limit."""
    items = list(items)
    if len(items) > limit:
        items = items[:limit]
        kept = [(name, value) for name, value in request.GET.items() if name != "_cursor"]
        after = SIGNER.sign(str(key(items[-1])))
        address = absolute(request, f"{request.path}?{urlencode([*kept, ('_cursor', after)])}")
        response["Link"] = f'<{address}>; rel="next"'
    return items
