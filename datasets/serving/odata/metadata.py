"""$metadata: what there is to read, as CSDL XML. One flat entity type and one entity set for each dataset."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

ROW_ID = "_row_id"  # the key; `_id` in the table
TYPES = {
    "text": 'Type="Edm.String"',
    "bigint": 'Type="Edm.Int64"',
    "numeric": 'Type="Edm.Decimal" Scale="variable"',
    "boolean": 'Type="Edm.Boolean"',
    "date": 'Type="Edm.Date"',
    "timestamptz": 'Type="Edm.DateTimeOffset" Precision="6"',
}
NAMESPACE = "Backhaul"
CONTAINER = "Datasets"  # no dataset can be called so: their names are in small letters


def edm_type(kind: str) -> str:
    """The name of the Edm type that a column's type is served as."""
    return TYPES.get(kind, TYPES["text"]).split('"')[1]


def document(datasets: Iterable[tuple[str, Sequence[Mapping[str, Any]]]]) -> str:
    """The XML for these (name, columns), columns being {"name", "type"}."""
    datasets = list(datasets)
    kinds = "".join(_kind(name, columns) for name, columns in datasets)
    sets = "".join(
        f"<EntitySet Name={quoteattr(name)} EntityType={quoteattr(f'{NAMESPACE}.{name}')}/>" for name, _ in datasets
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{kinds}<EntityContainer Name="{CONTAINER}">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def _kind(name: str, columns: Sequence[Mapping[str, Any]]) -> str:
    properties = "".join(
        f"<Property Name={quoteattr(column['name'])} {TYPES.get(column['type'], TYPES['text'])}/>" for column in columns
    )
    return (
        f'<EntityType Name={quoteattr(name)}><Key><PropertyRef Name="{ROW_ID}"/></Key>'
        f'<Property Name="{ROW_ID}" Type="Edm.Int64" Nullable="false"/>{properties}</EntityType>'
    )
