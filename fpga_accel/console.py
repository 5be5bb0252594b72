"""How every command answers and fails: text or one JSON document on stdout, messages on stderr, the exit code."""

import functools
import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import numpy as np
import typer
from rich.console import Console, RenderableType
from rich.table import Table

from rtl.spec.errors import FpgaAccelError

INTERNAL_ERROR = 1
PLAIN_WIDTH = 140

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]

P = ParamSpec("P")


@dataclass(frozen=True)
class Answer:
    """What a command has to say: a document for programs, the same as text and tables for people, the exit code."""

    document: Mapping[str, Any]
    text: Sequence[RenderableType]
    exit_code: int = 0


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table with the first column to the left and the others to the right."""
    result = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        result.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        result.add_row(*(str(cell) for cell in row))
    return result


def count(value: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,}"


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document on stdout at once."""
    print(json.dumps(document, default=_plain, indent=2), flush=True)


def print_text(text: Sequence[RenderableType]) -> None:
    """Print texts and tables for people on stdout, as wide as the terminal."""
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    for part in text:
        console.print(part, soft_wrap=isinstance(part, str))


def _fail(error: Exception, *, as_json: bool, debug: bool) -> int:
    if isinstance(error, FpgaAccelError):
        message, kind, code = str(error), type(error).__name__, error.exit_code
    else:
        message = f"internal error: {type(error).__name__}: {error}"
        kind, code = "InternalError", INTERNAL_ERROR
        if not debug:
            message += " (run again with --debug for the traceback, and report it)"
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        print_json({"error": message, "kind": kind, "exit_code": code})
    print(f"fpga-accel: {message}", file=sys.stderr)
    return code


def answers(command: Callable[P, Answer]) -> Callable[P, None]:
    """Make a function that returns an :class:`Answer` a command: it prints the answer, or the failure, and exits.

    The command has the options ``json`` and ``debug``. Failures become one line on stderr and the exit code of their
    kind (``rtl.spec.errors``); with ``--json`` they are a document on stdout as well.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json, debug = bool(kwargs["json"]), bool(kwargs["debug"])
        try:
            answer = command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:  # a user gets one message, whatever it is; --debug has the traceback
            raise typer.Exit(_fail(error, as_json=as_json, debug=debug)) from error
        if as_json:
            print_json(answer.document)
        else:
            print_text(answer.text)
        raise typer.Exit(answer.exit_code)

    return run
