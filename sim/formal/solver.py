"""Bitwuzla as a command: PyPI has it as a library alone, and SymbiYosys talks to a program.

SMT-LIB commands come on standard input, answers go to standard output.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_SCRIPT = """\
#!{python}
import sys
sys.path.insert(0, {root!r})
from sim.formal.solver import main
main()
"""


def install(folder: Path) -> None:
    """Put an executable file ``bitwuzla`` into a folder."""
    file = folder / "bitwuzla"
    file.write_text(_SCRIPT.format(python=sys.executable, root=str(Path(__file__).resolve().parents[2])))
    file.chmod(0o755)


def commands(lines: Iterable[str]) -> Iterator[str]:
    """Yield whole commands: lines up to the one that closes the last parenthesis; names in bars may have any."""
    command, depth = "", 0
    for line in lines:
        command += line
        code = "".join(line.split(";")[0].split("|")[::2])
        depth += code.count("(") - code.count(")")
        if depth == 0 and command.strip():
            yield command
            command = ""


def main() -> None:
    """Answer commands until there are no more, or one says to stop."""
    if "--help" in sys.argv:
        print("--lang")  # how SymbiYosys tells the options of this version
        return
    from bitwuzla import Options, Parser, TermManager  # here, so that who has it not is told so by `prove`

    parser = Parser(TermManager(), Options())
    for command in commands(sys.stdin):
        if command.strip() == "(exit)":
            return
        parser.parse(command, parse_file=False)
        sys.stdout.flush()
