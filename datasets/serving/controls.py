"""Parameters of how an answer is written that only some formats can keep. Where one would mean nothing it is refused: whoever gives it
expects it to do something."""

from datasets.serving.problems import BadParameters

SHAPING = {  # each with what it is for
    "_header": "the header line of CSV, TSV and Excel",
    "_bom": "the first bytes of CSV and TSV",
    "_safe": "text that a spreadsheet would take for a formula; cells of Excel and columns of Parquet have types, which keep it text",
    "_decimals": "the numbers of JSON",
    "_count": "rows.json, which has a place for the count",
}
KEPT = {  # by the ending of the address
    "csv": ("_header", "_bom", "_safe"),
    "tsv": ("_header", "_bom", "_safe"),
    "json": ("_safe", "_decimals"),
    "ndjson": ("_safe", "_decimals"),
    "xlsx": ("_header",),
    "parquet": (),
}


def check(pairs, suffix, *also):
    """Raises BadParameters for each parameter that this format has no use for; `also` are kept besides."""
    kept = (*KEPT[suffix], *also)
    wrong = [name for name, _ in pairs if name in SHAPING and name not in kept]
    if wrong:
        raise BadParameters(
            [(name, f"{name}: {suffix} has no use for it. It is for {SHAPING[name]}.") for name in wrong]
        )
