"""Calibration files and programs that are meant to do harm."""

import json
import struct
import zipfile

import numpy as np
from attack_files import quantized


def npz_entry(*entries):
    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries:
                archive.writestr(name, content)

    return write


def array_bytes(shape, dtype="<f4", content=b""):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def bomb(path):
    """Hundreds of megabytes of zeros, in less than one."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as file,
    ):
        file.write(array_bytes((17 << 18, 2, 4, 4)))
        for _ in range(34):
            file.write(bytes(16 << 20))


def pickled(path):
    np.savez(path, x=np.array([{"a": 1}], object))


def not_finite(path):
    np.savez(path, x=np.full((2, 2, 4, 4), np.nan, np.float32))


def samples(path):
    np.savez(path, x=np.ones((2, 2, 4, 4), np.float32))


def encrypted(path):
    """An entry that says that a password is needed."""
    samples(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def program(change):
    """A compiled program whose manifest ``change`` alters."""

    def write(path):
        from onnx_frontend.compile import compile_graph
        from onnx_frontend.importer import import_graph
        from rtl.spec.config import core

        compile_graph(import_graph(quantized()), core("4x4")).save(path)
        with np.load(path) as file:
            arrays = dict(file)
        manifest = json.loads(arrays["manifest"].tobytes())
        fields = manifest["program"]["fields"]
        text = change(fields) or json.dumps(manifest)
        arrays["manifest"] = np.frombuffer(text.encode(), np.uint8)
        np.savez_compressed(path.with_suffix(".npz"), **arrays)
        path.with_suffix(".npz").rename(path)

    return write


def _set(path, value):
    def change(fields):
        *outer_keys, last = path
        for key in outer_keys:
            fields = fields[key]
        fields[last] = value

    return change


def _first_place(fields):
    next(iter(fields["placements"]["map"].values()))["fields"]["base"] = 1 << 30
