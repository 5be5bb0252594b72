"""How files that are meant to do harm are made, and the arguments of the command that reads them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HUGE = 1 << 50


@dataclass(frozen=True)
class Attack:
    """One case: ``make`` writes into a folder and returns the arguments of the command line.

    ``code`` is how it must exit, and ``word`` is in the message (on stdout for what `check` finds node by node).
    """

    make: Callable[[Path], list[str]]
    code: int
    word: str


def model(nodes=None, initializers=(), *, shape=(1, 2, 4, 4), outputs=None, opset=18, functions=(), **more):
    """A Conv, or other nodes from ``x`` to ``y``."""
    if nodes is None:
        nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "c")]
        initializers = initializers or [weight()]
    graph = helper.make_graph(
        nodes,
        "attack",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])],
        list(initializers),
        **more,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in ("com.microsoft", "evil", "local"))]
    return helper.make_model(graph, opset_imports=imports, ir_version=9, functions=list(functions))


def weight(name="w", shape=(3, 2, 1, 1), value=0.5):
    return numpy_helper.from_array(np.full(shape, value, np.float32), name)


def int64(name, values):
    return numpy_helper.from_array(np.asarray(values, np.int64), name)


def declared(dims, raw=b"", dtype=TensorProto.FLOAT, name="w"):
    tensor = TensorProto(name=name, data_type=dtype, dims=dims)
    tensor.raw_data = raw
    return tensor


def quantized(scale=0.1, *, weight_scale=0.1, zero=None, weight_zero=None, **conv):
    """A Conv between quantized tensors."""
    constants = [
        numpy_helper.from_array(np.asarray(scale, np.float32), "s"),
        numpy_helper.from_array(np.int8(0) if zero is None else zero, "z"),
        numpy_helper.from_array(np.ones((3, 2, 1, 1), np.int8), "w"),
        numpy_helper.from_array(np.asarray(weight_scale, np.float32), "ws"),
        numpy_helper.from_array(np.int8(0) if weight_zero is None else weight_zero, "wz"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"], "q"),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"], "d"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], "dw"),
        helper.make_node("Conv", ["xd", "wd"], ["t"], "c", **conv),
        helper.make_node("QuantizeLinear", ["t", "s", "z"], ["tq"], "qt"),
        helper.make_node("DequantizeLinear", ["tq", "s", "z"], ["y"], "dt"),
    ]
    return model(nodes, constants)


def check(build):
    """The arguments of `check` on a model, a file's content, or a function of the folder that writes ``m.onnx``."""

    def make(folder):
        made = build(folder) if callable(build) else build
        path = folder / "m.onnx"
        if isinstance(made, onnx.ModelProto):
            made = made.SerializeToString()
        if isinstance(made, bytes):
            path.write_bytes(made)
        extra = made if isinstance(made, list) else []
        return ["check", str(path), *extra]

    return make


def compiled(build):
    return lambda folder: [
        *("compile", check(build)(folder)[1], "--core", "4x4", "-o", str(folder / "out.fpga")),
    ]


def calibrated(write, build=None):
    """`quantize` with a calibration file that ``write`` makes."""

    def make(folder):
        path = check(build or model())(folder)[1]
        write(folder / "data.npz")
        return ["quantize", path, "--calibration", str(folder / "data.npz"), "-o", str(folder / "out.onnx")]

    return make


def ran(write):
    """`run` of a program that ``write`` makes."""

    def make(folder):
        write(folder / "m.fpga")
        np.savez(folder / "data.npz", x=np.zeros((1, 2, 4, 4), np.float32))
        return ["run", str(folder / "m.fpga"), "--input", str(folder / "data.npz"), "-o", str(folder / "out.npz")]

    return make


def external(location, *, offset=None, length=None, file=True):
    """A model whose weight is elsewhere, and a file ``w.bin`` of the right size."""

    def make(folder):
        made = model()
        tensor = made.graph.initializer[0]
        content = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        where = location(folder, content) if callable(location) else location
        for key, value in (("location", where), ("offset", offset), ("length", length)):
            if value is not None:
                tensor.external_data.add(key=key, value=str(value))
        if file:
            (folder / "w.bin").write_bytes(content)
        (folder / "m.onnx").write_bytes(made.SerializeToString())
        return ["--external-data"]

    return make


def outside(folder, content):
    path = folder.parent / f"{folder.name}.outside"
    path.write_bytes(content)
    return path


def symlink(folder, content):
    (folder / "link.bin").symlink_to(outside(folder, content))
    return "link.bin"


def hard_link(folder, content):
    os.link(outside(folder, content), folder / "hard.bin")
    return "hard.bin"


def pipe(folder, content):
    os.mkfifo(folder / "pipe.bin")
    return "pipe.bin"


def subfolder(folder, content):
    (folder / "sub").mkdir()
    (folder / "sub" / "w.bin").write_bytes(content)
    return "sub/w.bin"


def without_option(folder):
    external("w.bin")(folder)
    return []


def sized(folder):
    with (folder / "m.onnx").open("wb") as file:
        file.truncate(3 << 30)
    return []


def fifo(folder):
    os.mkfifo(folder / "m.onnx")
    return []


def device(folder):
    (folder / "m.onnx").symlink_to("/dev/zero")
    return []


def chain(operator, count, domain=""):
    names = ["x", *(f"t{index}" for index in range(count - 1)), "y"]
    nodes = [
        helper.make_node(operator, [a], [b], f"n{i}", domain=domain)
        for i, (a, b) in enumerate(zip(names, names[1:], strict=False))
    ]
    return model(nodes)


def grown(operator, *constants, inputs, **attributes):
    """A node whose result is huge, added to the input."""
    nodes = [
        helper.make_node(operator, list(inputs), ["big"], "bomb", **attributes),
        helper.make_node("ReduceMax", ["big"], ["most"]),
        helper.make_node("Add", ["x", "most"], ["y"], "a"),
    ]
    return model(nodes, constants)


def powered():
    """The size of a constant, hidden from shape inference."""
    nodes = [
        helper.make_node("Pow", ["ten", "nine"], ["p"]),
        helper.make_node("Cast", ["p"], ["n"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["n"], ["big"], "bomb"),
        helper.make_node("ReduceSum", ["big"], ["sum"]),
        helper.make_node("Add", ["x", "sum"], ["y"], "a"),
    ]
    return model(
        nodes,
        [numpy_helper.from_array(np.array([value], np.float64), name) for name, value in (("ten", 10), ("nine", 9))],
    )


def doubled():
    """A list of sizes that doubles twenty times."""
    nodes = [helper.make_node("Concat", [f"s{i}", f"s{i}"], [f"s{i + 1}"], axis=0) for i in range(20)]
    nodes += [helper.make_node("Expand", ["x", "s20"], ["y"], "bomb")]
    return model(nodes, [int64("s0", [1, 1])])


def outer():
    """A product of two long vectors."""
    return model(
        [
            helper.make_node("MatMul", ["a", "b"], ["big"]),
            helper.make_node("ReduceMax", ["big"], ["m"]),
            helper.make_node("Add", ["x", "m"], ["y"]),
        ],
        [weight("a", (1 << 16, 1)), weight("b", (1, 1 << 16))],
    )


def nested_types():
    kind = onnx.TypeProto()
    inner = kind
    for _ in range(40):
        inner = inner.sequence_type.elem_type
    inner.tensor_type.elem_type = 1
    return model(value_info=[onnx.ValueInfoProto(name="v", type=kind)])


def nested_bytes():
    """Messages in messages, beyond what the parser itself takes: attribute, graph, node, attribute ..."""
    content = b""
    for _ in range(3000):
        for field in (6, 5, 1):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            content = bytes([field << 3 | 2]) + _varint(len(content)) + content
    return bytes([7 << 3 | 2]) + _varint(len(content)) + content


def _varint(value):
    result = b""
    while value >= 0x80:
        result += bytes([value & 0x7F | 0x80])
        value >>= 7
    return result + bytes([value])


def empty_nodes():
    content = b"\x0a\x00" * 3_000_000
    return b"\x3a" + _varint(len(content)) + content


def packed_numbers():
    tensor = b"\x2a" + _varint(100 << 20) + bytes(100 << 20)  # int32_data
    graph = b"\x2a" + _varint(len(tensor)) + tensor
    return b"\x3a" + _varint(len(graph)) + graph


def subgraph(operator):
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["i"])], "b", [], [helper.make_tensor_value_info("i", 1, None)]
    )
    branches = {"If": ["then_branch", "else_branch"], "Loop": ["body"], "Scan": ["body"]}[operator]
    more = {"num_scan_inputs": 1} if operator == "Scan" else {}
    inputs = {"If": ["c"], "Loop": ["", "c", "x"], "Scan": ["x"]}[operator]
    node = helper.make_node(operator, inputs, ["y"], "inner", **dict.fromkeys(branches, body), **more)
    return model([node], [numpy_helper.from_array(np.array(True), "c")])


def function(name, *calls, domain="local"):
    nodes = [
        helper.make_node(call, ["a" if i == 0 else f"b{i - 1}"], [f"b{i}"], domain=domain)
        for i, call in enumerate(calls)
    ]
    return helper.make_function(
        "local",
        name,
        ["a"],
        [f"b{len(calls) - 1}"],
        nodes,
        [helper.make_opsetid("local", 1), helper.make_opsetid("", 18)],
    )


def calling(*functions):
    return model([helper.make_node("f0", ["x"], ["y"], "call", domain="local")], functions=functions)


def function_bomb():
    return calling(*(function(f"f{i}", *[f"f{i + 1}"] * 10) for i in range(12)), function("f12", "Relu", domain=""))


def renamed(**names):
    """Names in bytes, written over names of the same length."""
    content = model([helper.make_node("Relu", ["x"], ["y"], "nodename")]).SerializeToString()
    for old, new in names.items():
        content = content.replace(old.encode(), new)
    return content


def cyclic():
    return model(
        [
            helper.make_node("Add", ["x", "b"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Relu", ["b"], ["y"]),
        ]
    )


def pooled(**attributes):
    return model([helper.make_node("MaxPool", ["x"], ["y"], "p", **{"kernel_shape": [2, 2], **attributes})])


def convolved(**attributes):
    return model([helper.make_node("Conv", ["x", "w"], ["y"], "c", **attributes)], [weight()])


def typed(kind):
    return model(outputs=[onnx.ValueInfoProto(name="y", type=kind)])


def sparse():
    values, indices = weight("w", (1,)), int64("i", [0])
    tensor = helper.make_sparse_tensor(values, indices, [6])
    return model(sparse_initializer=[tensor])


def training():
    made = model()
    made.training_info.add()
    return made


def constant_outside(folder):
    value = TensorProto(name="k", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="/etc/passwd")
    nodes = [helper.make_node("Constant", [], ["k"], value=value), helper.make_node("Add", ["x", "k"], ["y"])]
    (folder / "m.onnx").write_bytes(model(nodes).SerializeToString())
    return ["--external-data"]
