"""Places of a circuit's source where one thing can be made wrong, and the source with it wrong."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

KINDS = ("operator", "constant", "condition", "reset", "width", "choice", "register", "statement")
"""What is broken: an operator; a number; the condition of an If; a register's initial value; a signal one bit narrower;
the alternatives of a Mux; a value that comes a cycle late; an assignment that is not there."""

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True, order=True)
class Mutation:
    """One thing made wrong.

    Members
    -------
    file : str
        The module's path in the project.
    line : int
    text : str
        The line, without indentation.
    kind : str
        Of KINDS.
    start, end : int
        The bytes of the source that are replaced.
    before, after : str
        What stands there, and what is put there.
    """

    file: str
    line: int
    text: str
    kind: str
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        """Return the source with the thing wrong."""
        text = source.encode()
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()

    def __str__(self) -> str:
        """Return the place and the fault, in one line; the same when lines above come or go."""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.file}: {self.text}: {self.kind}: {before} -> {after}"


def _wrong(node: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
    """Yield kinds of fault that a node can have, the part that is replaced, and by what."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            yield "operator", node, f"({ast.unparse(ast.BinOp(left, _OPERATORS[type(op)](), right))})"
        case ast.Compare(left, [op], [right]) if type(op) in _COMPARISONS:
            yield "operator", node, f"({ast.unparse(ast.Compare(left, [_COMPARISONS[type(op)]()], [right]))})"
            if isinstance(right, ast.Constant) and isinstance(right.value, int):
                yield "constant", right, str(right.value + 1)
        case ast.UnaryOp(ast.Invert(), operand):
            yield "operator", node, f"({ast.unparse(operand)})"
        case ast.Call(ast.Attribute(attr="If" | "Elif"), [condition]):
            yield "condition", condition, f"~({ast.unparse(condition)}).bool()"
            yield "condition", condition, "1"
        case ast.Call(ast.Name("Mux"), [_, one, other]):
            yield "choice", one, ast.unparse(other)
            yield "choice", other, ast.unparse(one)
        case ast.Call(ast.Attribute(attr="eq"), [ast.Constant(int(value))]):
            yield "constant", node.args[0], str(int(not value) if value in (0, 1) else value + 1)
        case ast.Call(ast.Name("Signal"), arguments, keywords):
            yield from _signal(node, arguments, keywords)
        case ast.Subscript(_, ast.Slice(lower, upper)):
            for bound in (lower, upper):
                if isinstance(bound, ast.Constant) and isinstance(bound.value, int):
                    yield "constant", bound, str(bound.value + 1)
        case ast.AugAssign(ast.Attribute(ast.Attribute(attr="d"), domain), ast.Add()):
            yield "statement", node, "pass"
            if domain == "comb":
                yield "register", node.target, ast.unparse(node.target).removesuffix("comb") + "sync"


def _signal(
    node: ast.Call, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> Iterator[tuple[str, ast.AST, str]]:
    """The same of a call of Signal."""
    match arguments:
        case [ast.Constant(int(width)) as shape] if width > 1:
            yield "width", shape, str(width - 1)
        case [ast.Call(ast.Name("signed" | "unsigned" as kind), [width]) as shape]:
            yield "width", shape, f"{kind}({ast.unparse(width)} - 1)"
        case [ast.Call(ast.Name("range"), [limit]) as shape]:
            yield "width", shape, f"range(({ast.unparse(limit)} + 1) // 2)"
    initial = next((keyword.value for keyword in keywords if keyword.arg == "init"), None)
    if initial is None and not arguments and not keywords:
        yield "reset", node, "Signal(init=1)"
    elif isinstance(initial, ast.Constant):
        yield "reset", initial, str(int(not initial.value))
    elif initial is not None:
        yield "reset", initial, "0"


def mutations(file: str, source: str) -> list[Mutation]:
    """Return all that can be made wrong in the functions of a module, in the order of places."""
    text = source.encode()
    lines = text.splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    found = set()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for node in (inner for function in functions if function.name != "__init__" for inner in ast.walk(function)):
        for kind, part, after in _wrong(node):
            start = starts[part.lineno - 1] + part.col_offset
            end = starts[part.end_lineno - 1] + part.end_col_offset
            line = lines[part.lineno - 1].decode().strip()
            found.add(Mutation(file, part.lineno, line, kind, start, end, text[start:end].decode(), after))
    return sorted(found)
