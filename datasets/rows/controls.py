"""Parameters of how an answer is written that only some formats can keep. Where one would mean nothing it is refused: whoever gives it
expects it to do something. Which format keeps which is said by the format itself (`options`)."""

from collections.abc import Iterable, Sequence

from datasets.formats.format import Format
from datasets.formats.index import FORMATS, understanding
from datasets.problems import BadParameters, printable

SHAPING = {  # each with what it is for
    "_header": f"the header line of {understanding('header')}",
    "_bom": f"the first bytes of {understanding('bom')}",
    "_safe": "text that a spreadsheet would treat as a formula; Excel cells and Parquet columns have types, which keep it text",
    "_decimals": f"the numbers of {understanding('decimals')}",
    "_count": "rows.json, which has a place for the count",
}


def check(pairs: Sequence[tuple[str, str]], file: Format, *also: str, fixed: Iterable[tuple[str, str]] = ()) -> None:
    """Raises BadParameters for each parameter that this Format has no use for; `also` are kept besides.

    `fixed` are the (name, value) of what the reader's link is fixed to, which hold where `pairs` do not say otherwise.
    """
    kept = {f"_{option}" for option in file.options}.union(also)
    given = {name for name, _ in pairs}
    wrong = [
        (name, f"{name}: {file.name} does not use it. It is for {SHAPING[name]}.")
        for name, _ in pairs
        if name in SHAPING and name not in kept
    ]
    wrong += [
        (
            name,
            f"{name}: this link is fixed to {name}={printable(value)}, and {file.name} does not use it. It is for "
            f"{SHAPING[name]}. This link can be read as {', '.join(formats_of(fixed)) or 'no file'}.",
        )
        for name, value in fixed
        if name in SHAPING and name not in kept and name not in given
    ]
    if wrong:
        raise BadParameters(wrong)


def formats_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the formats that keep all of these parameters, in the order of the index."""
    wanted = {name for name, _ in pairs if name in SHAPING}
    return [name for name, file in FORMATS.items() if wanted <= {f"_{option}" for option in file.options}]


def check_link(pairs: Sequence[tuple[str, str]]) -> None:
    """Raises BadParameters where no file could ever be read with a link that is fixed to these parameters."""
    if formats_of(pairs):
        return
    wanted = sorted({name for name, _ in pairs if name in SHAPING})
    together = ", ".join(f"{name} is for {SHAPING[name]}" for name in wanted)
    raise BadParameters([(name, f"No format uses {' and '.join(wanted)} together: {together}.") for name in wanted])
