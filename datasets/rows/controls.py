"""Parameters of how an answer is written that only some formats can keep. Where one would mean nothing it is refused: whoever gives it
expects it to do something. Which format keeps which is said by the format itself (`options`)."""

from collections.abc import Iterable

from datasets.formats.format import Format
from datasets.formats.index import understanding
from datasets.problems import BadParameters

SHAPING = {  # each with what it is for
    "_header": f"the header line of {understanding('header')}",
    "_bom": f"the first bytes of {understanding('bom')}",
    "_safe": "text that a spreadsheet would take for a formula; cells of Excel and columns of Parquet have types, which keep it text",
    "_decimals": f"the numbers of {understanding('decimals')}",
    "_count": "rows.json, which has a place for the count",
}


def check(pairs: Iterable[tuple[str, str]], file: Format, *also: str) -> None:
    """Raises BadParameters for each parameter that this Format has no use for; `also` are kept besides."""
    kept = {f"_{option}" for option in file.options}.union(also)
    wrong = [name for name, _ in pairs if name in SHAPING and name not in kept]
    if wrong:
        raise BadParameters(
            [(name, f"{name}: {file.name} has no use for it. It is for {SHAPING[name]}.") for name in wrong]
        )
