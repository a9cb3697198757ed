"""Row filters: a small expression language over a row's fields, parsed as Python but never evaluated by it.

Allowed: field names, `row["odd name"]`, constants, lists, comparisons, `in`, `and`, `or`, `not`, `+ - * / %`, and the
functions below. Nothing else, so a filter from a configuration file can do nothing but look at the row.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from weigh.records.errors import DefinitionError

Check = Callable[[Mapping[str, Any]], Any]

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len, "int": int, "float": float, "str": str, "abs": abs, "min": min, "max": max,
    "lower": lambda text: str(text).lower(), "startswith": lambda text, start: str(text).startswith(start),
    "endswith": lambda text, end: str(text).endswith(end), "get": lambda row, key, default=None: row.get(key, default),
}  # fmt: skip


def compile_where(expression: str) -> Check:
    """Turn an expression into a function of a row.

    Raises:
        DefinitionError: It is no expression, or uses something that is not allowed.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise DefinitionError(f"where {expression!r}: {error.msg}") from None
    return _build(tree, expression)


def _build(node: ast.expr, text: str) -> Check:
    def part(inner: ast.expr) -> Check:
        return _build(inner, text)

    match node:
        case ast.Constant(value=value):
            return lambda row: value
        case ast.Name(id="row"):
            return lambda row: row
        case ast.Name(id=name):
            return lambda row: row[name]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            parts = [part(item) for item in items]
            return lambda row: [p(row) for p in parts]
        case ast.BoolOp(op=ast.And(), values=values):
            parts = [part(value) for value in values]
            return lambda row: all(p(row) for p in parts)
        case ast.BoolOp(values=values):
            parts = [part(value) for value in values]
            return lambda row: any(p(row) for p in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = part(operand)
            return lambda row: not inner(row)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = part(operand)
            return lambda row: -inner(row)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            a, b, apply = part(left), part(right), _BINARY[type(op)]
            return lambda row: apply(a(row), b(row))
        case ast.Subscript(value=value, slice=key):
            a, b = part(value), part(key)
            return lambda row: a(row)[b(row)]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            function, parts = _FUNCTIONS[name], [part(arg) for arg in args]
            return lambda row: function(*(p(row) for p in parts))
        case ast.Compare(left=left, ops=ops, comparators=right):
            parts = [part(left), *(part(c) for c in right)]
            steps = [_COMPARE[type(op)] for op in ops]

            def compare(row: Mapping[str, Any]) -> bool:
                values = [p(row) for p in parts]
                return all(step(values[i], values[i + 1]) for i, step in enumerate(steps))

            return compare
    raise DefinitionError(
        f"where {text!r}: {ast.unparse(node)!r} is not allowed; use fields, constants, comparisons, in, and, or, not, "
        f"and {', '.join(_FUNCTIONS)}"
    )
