"""Follows a chain of pages, one token after another; stops where it would run in circles."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from connector.spapi.client import Client
from connector.spapi.errors import EndlessPages, Unreachable
from connector.spapi.operations import OPERATIONS
from connector.spapi.transport import RETRY_SECONDS

MAX_PAGES = 5000
_REMEMBERED = 64  # of the tokens and pages seen, in the cursor; a longer circle ends at MAX_PAGES


def pages(
    client: Client,
    operation: str,
    query: Mapping[str, object],
    cursor: Mapping[str, Any] | None = None,
    replaced: Callable[[int], object] | None = None,
) -> Iterator[tuple[Any, dict[str, Any] | None]]:
    """Yields (page, next cursor), the cursor being None after the last page.

    A cursor is plain JSON: kept, it lets another worker go on from there, with the same query. `replaced(count)`
    hears of characters that no database keeps and that became U+FFFD. Raises what `Client.call` does, EndlessPages
    where the chain runs in a circle or beyond 5,000 pages, and Unreachable for a page without its list.
    """
    kind = OPERATIONS[operation]
    pager = kind.pager
    cursor = dict(cursor or {})
    while True:
        token = cursor.get("token")
        sent = (
            query
            if token is None or pager is None
            else {pager.send: token}
            if pager.alone
            else {**query, pager.send: token}
        )
        answer = client.call(operation, query=sent)
        page = answer.json
        content = _content(page, _at(page, pager.items) if pager else _unpaged(page, kind.items))
        if content is None:
            raise Unreachable(
                fact=f"A page of Amazon's answer to {operation} is missing its list.",
                wait=RETRY_SECONDS,
                status=answer.status,
                request_id=answer.request_id,
                operation=operation,
            )
        if answer.replaced and replaced:
            replaced(answer.replaced)
        cursor = _next(cursor, _at(page, pager.receive), content, operation) if pager else None
        yield page, cursor
        if cursor is None:
            return


def _unpaged(page: Any, path: str) -> Any:
    return page if isinstance(page, list) else _at(page, path)  # Amazon's own example is a bare list


def _content(page: Any, items: Any) -> bytes | None:
    """The page's list as bytes, by which a page is known again, in whatever order its entries come; None where it has none,
    or one that cannot be kept."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    try:
        orjson.dumps(page)
        return b"\n".join(sorted(orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in items))
    except TypeError:  # nested without measure, or numbers that no column holds
        return None


def _next(cursor: Mapping[str, Any], token: object, content: bytes, operation: str) -> dict[str, Any] | None:
    seen, count = cursor.get("seen", []), cursor.get("pages", 0) + 1
    marks = [_mark(content)] if content else []
    if marks and marks[0] in seen:
        raise _circle(operation, "the same page twice")
    if token in (None, ""):
        return None
    if not isinstance(token, str):
        raise _circle(operation, "a page token that is no text")
    marks.append(_mark(token.encode("utf-8", "surrogatepass")))
    if marks[-1] in seen:
        raise _circle(operation, "the same page token twice")
    if count >= MAX_PAGES:
        raise _circle(operation, f"more than {MAX_PAGES:,} pages")
    return {"token": token, "pages": count, "seen": [*seen, *marks][-_REMEMBERED:]}


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _circle(operation: str, what: str) -> EndlessPages:
    fact = f"Amazon's answer to {operation} does not end: it contained {what}."
    return EndlessPages(fact=fact, operation=operation)


def _at(page: Any, path: str) -> Any:
    for step in path.split("."):
        page = page.get(step) if isinstance(page, dict) else None
    return page
