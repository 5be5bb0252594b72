"""The parts of README.md that are written by the program: ``python -m fpga_accel.readme`` writes the operators."""

from pathlib import Path

from onnx_frontend.operators import operators_markdown

from .files import replacing

README = Path(__file__).resolve().parent.parent / "README.md"
OPERATORS = "operators: written by python -m fpga_accel.readme"
BENCH = "bench: written by benchmarks/bench.py --readme"
CONFORMANCE = "conformance: written by make onnx-conformance"


def with_section(text: str, marker: str, content: str) -> str:
    """Return ``text`` with ``content`` between the comment ``marker`` and the one that ends it."""
    begin, end = f"<!-- {marker} -->\n", f"<!-- end of {marker.split(':')[0]} -->\n"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{content.strip()}\n{end}{after}"


def with_operators(text: str) -> str:
    """Return ``text`` with the table of operators, as the importer has them."""
    return with_section(text, OPERATORS, operators_markdown())


def write_section(marker: str, content: str) -> None:
    """Write one part of README.md anew."""
    with replacing(README) as temporary:
        temporary.write_text(with_section(README.read_text(), marker, content))


if __name__ == "__main__":
    write_section(OPERATORS, operators_markdown())
