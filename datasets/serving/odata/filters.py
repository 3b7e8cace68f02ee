"""$filter: OData's expression as a tree of Filters. Pure. The grammar is odata-query's; what may be asked is decided here.

    purchase_date ge 2026-10-01T00:00:00Z and purchase_date lt 2026-11-01T00:00:00Z
    order_status in ('Shipped','Pending') or not contains(title,'oil')

No value is smaller or greater than nothing, and unequal to every value; no value contains nothing, nor does it not.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from odata_query import ast
from odata_query.exceptions import ArgumentCountException, ODataException, UnknownFunctionException
from odata_query.grammar import ODataLexer, ODataParser

from datasets.problems import BadParameters, nearest, printable
from datasets.rows.filters import MAX_LISTED, Filter
from datasets.rows.query import MAX_FILTERS
from datasets.serving.odata.errors import NotOffered

MAX_LETTERS = 20_000
MAX_DEEP = 50
SIGNS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Gt: "gt", ast.GtE: "gte", ast.Lt: "lt", ast.LtE: "lte"}
TURNED = {"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}
OPPOSITE = {"eq": "ne", "ne": "eq"}
FUNCTIONS = ("contains", "startswith", "endswith")
LITERALS = {  # what a column may be compared with
    "text": (ast.String, ast.GUID),
    "bigint": (ast.Integer, ast.Float),
    "numeric": (ast.Integer, ast.Float),
    "boolean": (ast.Boolean,),
    "date": (ast.Date, ast.DateTime),
    "timestamptz": (ast.DateTime, ast.Date),
}
LOST_PLUS = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:\d\d)\b")  # a + in a URL, decoded as a space
MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)T00:00(:00(\.0+)?)?(Z|[+-]00:00)?", re.IGNORECASE)
KEYWORDS = {"ANY": "any", "ALL": "all", "NULL": "null", "BOOLEAN": None}


def parse(text: str, types: Mapping[str, tuple[str, str]], build: Callable[[str, str, str, str], Filter]) -> Filter:
    """The Filter of a $filter. `build(column, type, op, text)` makes that of one comparison, or raises ValueError."""
    if len(text) > MAX_LETTERS:
        raise _wrong(f"it has more than {MAX_LETTERS} characters.")
    try:
        tree = _tree(text)
    except UnknownFunctionException as problem:
        raise NotOffered(
            f"$filter: the function '{printable(problem.function_name)}' is not offered. There are: {', '.join(FUNCTIONS)}."
        ) from None
    except ArgumentCountException as problem:
        raise _wrong(f"{printable(problem)}") from None
    except (ODataException, NotImplementedError, AttributeError, TypeError, ValueError):
        raise _wrong(
            f"'{printable(text)}' cannot be read. Write for example: quantity gt 1 and _day ge 2026-10-01."
        ) from None
    return _Builder(types, build).read(tree)


def _wrong(sentence: str) -> BadParameters:
    return BadParameters([("$filter", f"$filter: {sentence}")])


# Reading


def _tree(text: str) -> Any:
    text = text.strip()
    try:
        return _parsed(text)
    except ODataException:
        fixed = LOST_PLUS.sub(r"\1+\2", text)
        if fixed == text:
            raise
        return _parsed(fixed)


def _parsed(text: str) -> Any:
    return ODataParser().parse(iter(_mended(list(ODataLexer().tokenize(text)))))


def _mended(tokens: Iterable[Any]) -> list[Any]:
    """Three things the grammar lacks: a list of one value, `not(`, and names that begin like a keyword."""
    fixed: list[Any] = []
    for token in tokens:
        before = fixed[-1] if fixed else None
        if token.type == "ODATA_IDENTIFIER" and before is not None and before.type in KEYWORDS:
            word = KEYWORDS[before.type] or before.value.val
            if before.index + len(word) == token.index:
                token.value = ast.Identifier(word + token.value.name, token.value.namespace)
                token.index = before.index
                fixed.pop()
        elif token.type == "(" and before is not None and _is_not(before):
            before.type, before.value = "NOT", ast.Not()
        elif token.type == ")":
            inside = [each for each in fixed[-5:] if each.type != "WS"]
            if [each.type for each in inside[-3:-1]] == ["IN", "("]:
                fixed.append(_comma(token))
        fixed.append(token)
    return fixed


def _is_not(token: Any) -> bool:
    return token.type == "ODATA_IDENTIFIER" and token.value.full_name().lower() == "not"


def _comma(like: Any) -> Any:
    token = type(like)()
    token.type = token.value = ","
    token.lineno, token.index = like.lineno, like.index
    return token


# Meaning


class _Builder:
    def __init__(self, types: Mapping[str, tuple[str, str]], build: Callable[[str, str, str, str], Filter]) -> None:
        self.types, self.build = types, build
        self.made = 0

    def read(self, node: Any, negated: bool = False, depth: int = 0) -> Filter:
        """The Filter of a node that is true or false. Negations are carried down to the comparisons."""
        if depth > MAX_DEEP:
            raise _wrong(f"it is nested more than {MAX_DEEP} deep.")
        if isinstance(node, ast.BoolOp):
            is_and = isinstance(node.op, ast.And)
            parts = tuple(self.read(part, negated, depth + 1) for part in _side_by_side(node))
            return Filter("", "", "all" if is_and != negated else "any", parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.read(node.operand, not negated, depth + 1)
        self.made += 1
        if self.made > MAX_FILTERS * 10:
            raise _wrong(f"it has more than {MAX_FILTERS * 10} comparisons.")
        if isinstance(node, ast.Boolean):
            return Filter("", "", "always" if node.py_val != negated else "never", None)
        if isinstance(node, ast.Identifier):
            return self.comparison(node, "ne" if negated else "eq", ast.Boolean("true"), negated=False, bare=True)
        if isinstance(node, ast.Call):
            found = self.call(node)
            return Filter("", "", "not", found) if negated else found
        if isinstance(node, ast.Compare):
            return self.compare(node, negated, depth)
        raise NotOffered(f"$filter: this kind of expression is not offered ({type(node).__name__}).")

    def compare(self, node: Any, negated: bool, depth: int) -> Filter:
        left, right = node.left, node.right
        if isinstance(node.comparator, ast.In):
            found = self.one_of(left, right)
            return Filter("", "", "untrue", found) if negated else found
        op = SIGNS[type(node.comparator)]
        if isinstance(left, ast._Literal) and not isinstance(right, ast._Literal):
            left, right, op = right, left, TURNED.get(op, op)
        if isinstance(right, ast.Boolean) and not isinstance(left, ast.Identifier) and op in OPPOSITE:
            return self.read(left, negated != ((op == "eq") != right.py_val), depth + 1)
        return self.comparison(left, op, right, negated=negated)

    def comparison(self, left: Any, op: str, right: Any, *, negated: bool, bare: bool = False) -> Filter:
        name, column, kind = self.column(left)
        if bare and kind != "boolean":
            raise _wrong(f"{name} is {kind}; compare it with something.")
        if negated and op in OPPOSITE:
            op, negated = OPPOSITE[op], False
        if isinstance(right, ast.Null):
            if op in OPPOSITE:
                return Filter(column, kind, "isnull", op == "eq")
            return Filter("", "", "always" if negated else "never", None)
        if bare and op == "ne":
            op, right = "eq", ast.Boolean("false")
        found = self.made_of(name, column, kind, op, self.literal(name, kind, right))
        return Filter("", "", "untrue", found) if negated else found

    def one_of(self, left: Any, right: Any) -> Filter:
        name, column, kind = self.column(left)
        listed = right.val if isinstance(right, ast.List) else [right]
        if len(listed) > MAX_LISTED:
            raise _wrong(f"at most {MAX_LISTED} values can be listed.")
        parts = []
        for each in listed:
            if isinstance(each, ast.Null):
                parts.append(Filter(column, kind, "isnull", True))
            else:
                parts.append(self.made_of(name, column, kind, "eq", self.literal(name, kind, each)))
        if all(part.op == "eq" for part in parts):
            return Filter(column, kind, "in", tuple(part.value for part in parts))
        return Filter("", "", "any", tuple(parts))

    def call(self, node: Any) -> Filter:
        function = node.func.full_name()
        if function not in FUNCTIONS:
            raise NotOffered(
                f"$filter: the function '{printable(function)}' is not offered. There are: {', '.join(FUNCTIONS)}."
            )
        left, right = node.args
        name, column, kind = self.column(left)
        if kind != "text":
            raise _wrong(f"{function} is for columns of text, and {name} is {kind}.")
        if not isinstance(right, ast.String):
            raise _wrong(f"{function} takes a column and a text in single quotes.")
        return Filter(column, kind, function, right.val)

    def column(self, node: Any) -> tuple[str, str, str]:
        """The name as it is asked for, the table's column, its type."""
        if not isinstance(node, ast.Identifier):
            if isinstance(node, ast._Literal):
                raise _wrong("a column is compared with a value: one side has to be a column.")
            raise NotOffered("$filter: only a column can be compared, and only with a value.")
        name = node.full_name()
        if name not in self.types:
            raise BadParameters(
                [("$filter", f"$filter: there is no column '{printable(name)}'.{nearest(name, self.types)}")],
                code="unknown_column",
            )
        return name, *self.types[name]

    def literal(self, name: str, kind: str, node: Any) -> str:
        """The value's text as the comparison takes it."""
        if not isinstance(node, ast._Literal):
            raise NotOffered("$filter: a column can only be compared with a value.")
        if not isinstance(node, LITERALS.get(kind, (ast.String,))):
            raise _wrong(f"{name} is {kind} and cannot be compared with this {type(node).__name__.lower()}.")
        if kind == "date" and isinstance(node, ast.DateTime):
            midnight = MIDNIGHT.fullmatch(node.val)
            if not midnight:
                raise _wrong(f"{name} is a date: compare it with a date such as 2026-10-01.")
            return midnight[1]
        return node.val  # type: ignore[attr-defined]  # each kind of literal has it, and their base does not say so

    def made_of(self, name: str, column: str, kind: str, op: str, text: str) -> Filter:
        try:
            return self.build(column, kind, op, text)
        except ValueError as problem:
            raise _wrong(f"{name}: {problem}") from None


def _side_by_side(node: Any) -> Iterator[Any]:
    """The parts of a chain of one operator; chains come nested to the left, and may be long."""
    parts = []
    while True:
        left = node.left
        parts.append(node.right)
        if not (isinstance(left, ast.BoolOp) and type(left.op) is type(node.op)):
            parts.append(left)
            break
        node = left
    return reversed(parts)
