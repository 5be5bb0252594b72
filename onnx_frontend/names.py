"""Names of nodes and tensors, of which no two may be the same."""

from collections.abc import Container


def free_name(name: str, taken: Container[str]) -> str:
    """Return ``name``, with a number if it is taken."""
    unique, count = name, 1
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    return unique
