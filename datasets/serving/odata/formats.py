"""How a response is written: `$format`, else Accept, with every parameter that OData's JSON format has (OData JSON
Format 4.01, 3).

    odata.metadata      none, minimal, full: how much control information goes along
    IEEE754Compatible   Edm.Int64 and Edm.Decimal as text, for readers whose numbers are doubles
    odata.streaming     the order of a streamed answer, which every answer here keeps
    ExponentialDecimals the reader also takes exponents; none are written here
    charset             utf-8

4.01 lets the names go without `odata.`. In `$format` what is not known is refused; of Accept what is not known is passed over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from datasets.problems import BadParameters, NotAcceptable, printable
from datasets.serving.http import accepted
from datasets.serving.odata.errors import NotOffered

JSON = "application/json"
TRUTHS = {"true": True, "false": False}
# name → the Format's field, and what each value of it means
PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "metadata": ("metadata", {word: word for word in ("none", "minimal", "full")}),
    "ieee754compatible": ("is_ieee754", TRUTHS),
    "streaming": ("is_streaming", TRUTHS),
    "exponentialdecimals": ("takes_exponents", TRUTHS),
    "charset": ("charset", {"utf-8": "utf-8", "utf8": "utf-8"}),
}


@dataclass(frozen=True)
class ODataFormat:
    """How an answer is written, as the client asks for it."""

    metadata: str = "minimal"
    is_ieee754: bool = False
    is_streaming: bool = False
    takes_exponents: bool = False
    charset: str = "utf-8"

    @property
    def content_type(self) -> str:
        """What the answer says of itself: each parameter that makes it other than it would be."""
        said = f"{JSON};odata.metadata={self.metadata}"
        said += ";odata.streaming=true" if self.is_streaming else ""
        return said + (";IEEE754Compatible=true" if self.is_ieee754 else "")

    def number(self, value: int) -> int | str:
        """An Edm.Int64 of the envelope, as JSON takes it."""
        return str(value) if self.is_ieee754 else value

    def context(self, address: str) -> dict[str, Any]:
        """The control information that an answer begins with; nothing where the reader wants none."""
        return {} if self.metadata == "none" else {"@odata.context": address}


class Unknown(Exception):
    """A parameter that is none of ours (`value` None), or a value of one that it does not have."""

    def __init__(self, name: str, value: str | None = None) -> None:
        super().__init__(name)
        self.name, self.value = name, value


def of(text: str | None, accept: str) -> ODataFormat:
    """The Format of a `$format` (None where there is none) and an Accept header. Raises NotOffered, BadParameters, NotAcceptable."""
    if text is None:
        return _accepted(accept)
    kind, _, settings = text.strip().partition(";")
    if kind.strip().lower() not in ("json", JSON):
        raise NotOffered(f"$format: '{printable(text)}' is not offered. There is: json.")
    pairs = [piece.strip().partition("=") for piece in settings.split(";") if piece.strip()]
    try:
        return _format((name.strip(), value.strip().strip('"')) for name, _, value in pairs)
    except Unknown as unknown:
        if unknown.value is None or unknown.name == "charset":
            raise NotOffered(
                f"$format: {printable(unknown.name)} is not offered here. There are: {_known()}."
            ) from None
        words = ", ".join(PARAMETERS[unknown.name][1])
        raise BadParameters(
            [("$format", f"$format: {unknown.name} is one of {words}, not '{printable(unknown.value)}'.")]
        ) from None


def _accepted(accept: str) -> ODataFormat:
    """The Format that Accept wants most; of equal ones the first. A range without JSON, or with parameters of others, offers none."""
    offered: dict[ODataFormat, float] = {}
    for one in accepted.ranges(accept) or accepted.ranges("*/*"):
        if one.weight and accepted.Range(one.kind, (), 1.0).fits(JSON):
            try:
                found = _format(one.parameters)
            except Unknown:
                continue
            offered.setdefault(found, _weight(accept, found))
    if not offered or max(offered.values()) == 0.0:
        raise NotAcceptable(
            f"Accept: {printable(accept)} excludes what is available: {JSON} with {_known()}. Omit the header, or add */*."
        )
    return max(offered, key=lambda each: offered[each])


def _weight(accept: str, found: ODataFormat) -> float:
    """By the closest range that means it; ranges with parameters of others mean nothing here."""
    fitting = []
    for one in accepted.ranges(accept):
        if accepted.Range(one.kind, (), 1.0).fits(JSON):
            try:
                if _format(one.parameters, found) == found:
                    fitting.append(one)
            except Unknown:
                continue
    return max(fitting, key=lambda one: one.closeness).weight if fitting else 1.0


def _format(pairs: Iterable[tuple[str, str]], like: ODataFormat = ODataFormat()) -> ODataFormat:
    """The Format of (name, value) pairs, for the rest like another one; raises Unknown."""
    found = like
    for name, value in pairs:
        name, value = name.lower().removeprefix("odata."), value.lower()
        if name not in PARAMETERS:
            raise Unknown(name)
        field, values = PARAMETERS[name]
        if value not in values:
            raise Unknown(name, value)
        found = replace(found, **{field: values[value]})
    return found


def _known() -> str:
    return "odata.metadata, IEEE754Compatible, odata.streaming, ExponentialDecimals, charset=utf-8"
