"""$select, $filter, $orderby, $top, $skip, $count, $format and $skiptoken: read into a Query. Pure.

As OData 4.01 has it, they may be written in any case and without the `$`. Whatever else OData defines gives 501, and
what it does not define 400: an option that is ignored returns other rows than were asked for.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from datasets.formats.format import Layout
from datasets.problems import BadParameters, nearest, printable
from datasets.rows import query
from datasets.rows.filters import Filter
from datasets.serving.odata import filters
from datasets.serving.odata.errors import NotOffered
from datasets.serving.odata.metadata import ROW_ID

OPTIONS = ("$select", "$filter", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken")
NOT_OFFERED = (  # what OData 4.01 has besides (Part 2, 5.1)
    *("$apply", "$compute", "$deltatoken", "$expand", "$id", "$index", "$levels", "$schemaversion", "$search"),
)
PAGE_ROWS = 5000
MOST = 10**15
ID = {"name": "_id", "title": ROW_ID, "type": "bigint"}


def read(pairs: Iterable[tuple[str, str]], known: Sequence[str] = OPTIONS) -> dict[str, str]:
    """{option: text}; raises NotOffered for an option that is not served, BadParameters for what is none."""
    found = {}
    for given, value in pairs:
        name = canonical(given)
        if name not in known:
            if name.startswith(("$", "@")):
                raise NotOffered(f"The option {printable(name)} is not offered here. There are: {', '.join(known)}.")
            raise _wrong(
                name, f"There is no parameter '{printable(name)}'.{nearest('$' + name, known)}", "unknown_parameter"
            )
        if name in found:
            raise _wrong(name, f"{name} is given more than once.")
        found[name] = value
    if "$skip" in found and "$skiptoken" in found:
        raise _wrong("$skip", "$skip: a $skiptoken already defines where the page begins. Use only one of them.")
    return found


def canonical(name: str) -> str:
    """The option's name as OData 4.0 writes it; any other name as it is."""
    found = "$" + name.lower().removeprefix("$")
    return found if found in OPTIONS or found in NOT_OFFERED else name


def asked(
    options: Mapping[str, str],
    columns: Iterable[Mapping[str, Any]],
    *,
    zone: str,
    now: datetime,
    page_rows: int = PAGE_ROWS,
    decimals: str = "number",
) -> tuple[query.Query, list[str] | None]:
    """The Query of the options, and whether `_row_id` is among what is selected. `columns` hold `_id` as well."""
    types = {_outer(column["name"]): (column["name"], column["type"]) for column in columns}
    names = [name for name in types if name != ROW_ID]
    selected = _select(options.get("$select"), types)
    wanted = names if selected is None else [name for name in selected if name != ROW_ID]
    top = _whole("$top", options.get("$top"))
    found = query.Query(
        filters=_filters(options.get("$filter"), types, query.comparing(zone=zone, now=now)),
        select=tuple(wanted) or (next(iter(names)),),  # the table is never asked for no column at all
        sort=_sort(options.get("$orderby"), types),
        limit=page_rows if top is None else min(top, page_rows),
        offset=_whole("$skip", options.get("$skip")) or 0,
        count="exact" if _flag("$count", options.get("$count")) else "none",
        layout=Layout(decimals=decimals),
        is_capped=top is not None and top <= page_rows,
    )
    return found, selected


def selected_columns(selected: list[str] | None, columns: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names that each row has, in order; `selected` as `asked` gave it."""
    if selected is None:
        return [ROW_ID, *(column["name"] for column in columns if column["name"] != ID["name"])]
    return selected


def _outer(name: str) -> str:
    return ROW_ID if name == ID["name"] else name


def _select(text: str | None, types: Mapping[str, tuple[str, str]]) -> list[str] | None:
    """The names, each once; None for all."""
    if text is None or text.strip() in ("", "*"):
        return None
    names = [name.strip() for name in text.split(",")]
    if "*" in names:
        return None
    for name in names:
        _check_name("$select", name, types)
    return list(dict.fromkeys(names))


def _filters(
    text: str | None, types: Mapping[str, tuple[str, str]], build: Callable[[str, str, str, str], Filter]
) -> tuple[Filter, ...]:
    if text is None or not text.strip():
        return ()
    return (filters.parse(text, types, build),)


def _sort(text: str | None, types: Mapping[str, tuple[str, str]]) -> tuple[query.Sort, ...]:
    if text is None or not text.strip():
        return ()
    found: dict[str, query.Sort] = {}
    for part in text.split(","):
        words = part.split()
        if not words:
            raise _wrong("$orderby", "$orderby: a column is missing.")
        if "(" in part or "/" in part:
            raise NotOffered("$orderby: only columns are supported, not expressions.")
        _check_name("$orderby", words[0], types)
        if len(words) > 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
            raise _wrong(
                "$orderby", f"$orderby: '{printable(part.strip())}' is neither 'column asc' nor 'column desc'."
            )
        column = types[words[0]][0]
        found.setdefault(column, query.Sort(column, len(words) == 2 and words[1].lower() == "desc"))
    return tuple(found.values())


def _check_name(option: str, name: str, types: Collection[str]) -> None:
    if name not in types:
        raise _wrong(
            option, f"{option}: there is no column '{printable(name)}'.{nearest(name, types)}", "unknown_column"
        )


def _whole(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text.strip(), re.ASCII):
        raise _wrong(option, f"{option}: a whole number from 0 to {MOST - 1} is needed, not '{printable(text)}'.")
    return int(text)


def _flag(option: str, text: str | None) -> bool:
    if text is None:
        return False
    if text.strip().lower() not in ("true", "false"):
        raise _wrong(option, f"{option}: '{printable(text)}' is not true or false.")
    return text.strip().lower() == "true"


def _wrong(option: str, sentence: str, code: str | None = None) -> BadParameters:
    return BadParameters([(printable(option), sentence)], code=code)
