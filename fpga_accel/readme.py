"""The part of README.md that is written by the program: ``python -m fpga_accel.readme``."""

from pathlib import Path

from onnx_frontend.operators import operators_markdown

from .files import replacing

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN = "<!-- operators: written by python -m fpga_accel.readme -->\n"
END = "<!-- end of operators -->\n"


def with_operators(text: str) -> str:
    """Return ``text`` with the table of operators, as the importer has them, between the markers."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{operators_markdown().strip()}\n{END}{after}"


if __name__ == "__main__":
    with replacing(README) as temporary:
        temporary.write_text(with_operators(README.read_text()))
