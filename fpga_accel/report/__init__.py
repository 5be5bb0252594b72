"""One self-contained HTML file about a compiled model: what runs where, how long, why, how exactly, on what board."""

from .data import Report, collect
from .page import write

__all__ = ["Report", "collect", "write"]
