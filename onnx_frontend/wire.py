"""A first look at a model file's protobuf encoding, before anything is made of it.

An empty message takes two bytes in the file and a hundred in memory; here both are known before the second is spent.
"""

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from rtl.spec.errors import BadInput

from .limits import Limits

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}
NUMBERS = {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}
NAMES = {"name", "op_type", "domain", "overload", "input", "output", "dim_param"}
EXPANSION = 8
"""Bytes that a one-byte number of a list takes in memory, at most."""


class Malformed(Exception):
    """The bytes are no protobuf message."""


def survey(data: bytes, kind: Descriptor, limits: Limits) -> None:
    """Walk through all messages of ``data``, a message of type ``kind``.

    Raises
    ------
    Malformed
        If it is none.
    BadInput
        If it has more fields or levels than ``limits`` allow, or a name that is not UTF-8; without the file's name.
    """
    kinds: dict[Descriptor, dict[int, FieldDescriptor]] = {}
    listed = count = 0
    pending = [(0, len(data), kind, 1)]
    while pending:
        place, end, kind, level = pending.pop()
        if level > limits.nesting:
            raise BadInput(f"messages nested {level} deep in {kind.name}, expected at most {limits.nesting}")
        fields = kinds.setdefault(kind, {field.number: field for field in kind.fields})
        while place < end:
            count += 1
            if count > limits.fields:
                raise BadInput(
                    f"more than {limits.fields:,} fields (nodes, names, attributes), which no sound model has"
                )
            key = data[place]
            place += 1
            if key >= 0x80:
                key, place = _varint(data, place - 1, end)
            wire = key & 7
            if wire == VARINT:
                _, place = _varint(data, place, end)
                continue
            if wire in WIDTHS:
                place += WIDTHS[wire]
                continue
            if wire != BYTES:
                raise Malformed(f"field of wire type {wire}")
            size = data[place] if place < end else 0x80
            place += 1
            if size >= 0x80:
                size, place = _varint(data, place - 1, end)
            if size > end - place:
                raise Malformed(f"a field of {size} bytes where {end - place} are left")
            field = fields.get(key >> 3)
            if field is None:
                pass
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                pending.append((place, place + size, field.message_type, level + 1))
            elif field.type == FieldDescriptor.TYPE_STRING:
                _text(data[place : place + size], kind, field)
            elif field.type in NUMBERS:
                listed += size * EXPANSION
                if listed > limits.file_bytes:
                    raise BadInput(f"lists of numbers that take more than {limits.file_bytes:,} bytes of memory")
            place += size
        if place != end:
            raise Malformed("a field that ends behind its message")


def _varint(data: bytes, place: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = shift = 0
    while place < end and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    raise Malformed("a number that does not end")


def _text(text: bytes, kind: Descriptor, field: FieldDescriptor) -> None:
    where = f"{kind.name}.{field.name} {text[:40]!r}"
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        raise BadInput(f"{where} is not UTF-8 text; rename it") from None
    # What names a thing ends in messages, on a terminal.
    if field.name in NAMES and not decoded.isprintable():
        raise BadInput(f"{where} has characters that do not print; rename it")
