"""A quantized ONNX graph that grows: integer tensors with their schemes, weights, and QDQ around each operator."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fuzz.choices import Choices

SIZE_LIMIT = 1500
"""Elements of the largest tensor: graphs have to fit a small core with every tensor kept."""
SAMPLES = 3


@dataclass(frozen=True)
class Act:
    """A quantized activation: ``name`` the integers, ``real`` their dequantization, ``shape`` without the batch."""

    name: str
    real: str
    shape: tuple[int, ...]
    scale: np.float32
    zero_point: int
    unsigned: bool

    @property
    def amplitude(self) -> float:
        """The largest magnitude that it can hold."""
        low = 0 if self.unsigned else -128
        return float(self.scale) * max(abs(low - self.zero_point), abs(low + 255 - self.zero_point), 1)

    @property
    def zero_array(self) -> NDArray[np.generic]:
        """The zero point as ONNX has it."""
        return np.array(self.zero_point, np.uint8 if self.unsigned else np.int8)


@dataclass(frozen=True)
class Weights:
    """A constant in integers: names of the array, its scale and zero point, and of the dequantized array."""

    name: str
    scale_name: str
    zero_name: str
    real: str
    scale: NDArray[np.float32]


class Net:
    """The graph being built; ``acts`` are its quantized activations, the newest last."""

    def __init__(self, header: Choices):
        self.opset = header.pick(18, 13, 17, 21)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.feed: dict[str, NDArray[np.generic]] = {}
        self.acts: list[Act] = []
        self.read: set[str] = set()
        self.operators: list[str] = []
        self.float_outputs = header.below(2)
        for _ in range(1 + header.seldom(4)):
            self._input(header)

    def const(self, array: Any, dtype: Any = None) -> str:
        """Add an initializer."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def op(self, operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or a list of names."""
        stem = f"t{len(self.nodes)}"
        names = [stem] if outputs == 1 else [f"{stem}_{index}" for index in range(outputs)]
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), names, name, domain=domain, **attributes))
        return stem if outputs == 1 else names

    def choose(self, c: Choices, fits: Any = lambda act: True) -> Act:
        """Choose an activation that fits; the newest is the simplest.

        Raises
        ------
        LookupError
            If there is none.
        """
        found = [act for act in reversed(self.acts) if fits(act)]
        if not found:
            raise LookupError
        act: Act = found[min(c.below(len(found)), c.below(len(found)))]
        self.read.add(act.name)
        return act

    def scheme(self, c: Choices, amplitude: float) -> tuple[np.float32, int, bool]:
        """Choose scale, zero point and signedness for values up to about ``amplitude``."""
        size = float(np.clip(amplitude, 1e-12, 1e12))
        kind = c.pick("symmetric", "unsigned", "any", "any", "any", "edge", "power", "extreme")
        if kind == "symmetric":
            return np.float32(size / 127), 0, False
        unsigned = bool(c.below(2))
        offset = 128 if unsigned else 0
        if kind == "unsigned":
            return np.float32(size / 127), 128, True
        if kind == "edge":
            return np.float32(size / 255), c.pick(-128, 127) + offset, unsigned
        zero = c.data().integers(-128, 128)
        if kind == "power":
            return np.float32(2.0 ** np.round(np.log2(size / 127))), int(zero) + offset, unsigned
        steps = c.pick(0, -1, 1, -2, 2) if kind == "any" else c.pick(6, -6, 12, -12, 20, -20)
        factor = 2.0 ** (steps + c.below(16) / 16)
        return np.float32(size / 127 * factor), int(zero) + offset, unsigned

    def quantize(
        self,
        c: Choices,
        real: str,
        shape: tuple[int, ...],
        amplitude: float,
        like: Act | None = None,
    ) -> Act:
        """Quantize a float result, in the scheme of ``like`` if there is one and a choice does not say otherwise."""
        keep = like is not None and not c.seldom(4)
        if keep:
            assert like is not None
            scale, zero, unsigned = like.scale, like.zero_point, like.unsigned
        else:
            scale, zero, unsigned = self.scheme(c, amplitude)
        name = f"q{len(self.acts)}"
        kind = np.uint8 if unsigned else np.int8
        names = [self.const(scale), self.const(zero, kind)]
        self.nodes.append(helper.make_node("QuantizeLinear", [real, *names], [name], f"quantize_{name}"))
        return self.integers(name, shape, scale, zero, unsigned, tuple(names))

    def integers(
        self,
        name: str,
        shape: tuple[int, ...],
        scale: np.float32,
        zero: int,
        unsigned: bool,
        names: tuple[str, ...] = (),
    ) -> Act:
        """Take an integer tensor that is there into the activations, and dequantize it for its readers."""
        names = names or (self.const(scale), self.const(zero, np.uint8 if unsigned else np.int8))
        real = f"{name}_real"
        self.nodes.append(helper.make_node("DequantizeLinear", [name, *names], [real], f"dequantize_{name}"))
        act = Act(name, real, shape, scale, zero, unsigned)
        self.acts.append(act)
        return act

    def weights(
        self, c: Choices, shape: tuple[int, ...], axis: int, amplitude: float, *, per_channel: bool = True
    ) -> Weights:
        """Choose a constant weight whose output channels are along ``axis``."""
        kind = c.pick("int8", "int8", "int8", "uint8", "uint8 zero point", "int8 zero point")
        data = c.data()
        array = data.integers(-127, 128, shape)
        extreme = c.pick("no", "no", "no", "no", "ends", "zeros", "lowest")
        if extreme == "ends":
            array = data.choice([-128, 127, 0], shape)
        elif extreme != "no":
            array = np.full(shape, -128 if extreme == "lowest" else 0)
        count = shape[axis] if per_channel and c.below(2) else 0
        base = amplitude / 127
        scale = np.float32(base * 2.0 ** data.uniform(-1, 1, count if count else None))
        zero = 0
        if kind.endswith("zero point"):
            zero = int(data.integers(-20, 20))
        low = 0
        if kind.startswith("uint8"):
            array, zero, low = array + 128, zero + 128, 128
        dtype = np.uint8 if low else np.int8
        zeros = np.full(count, zero, dtype) if count else np.array(zero, dtype)
        return self.dequantized(np.clip(array, low - 128, low + 127).astype(dtype), scale, zeros, axis if count else 1)

    def dequantized(self, array: Any, scale: Any, zero: Any, axis: int = 1) -> Weights:
        """Add a constant in integers with its DequantizeLinear."""
        names = [self.const(array), self.const(scale, np.float32), self.const(zero)]
        real = f"{names[0]}_real"
        attributes = {"axis": axis} if np.ndim(scale) else {}
        self.nodes.append(helper.make_node("DequantizeLinear", names, [real], f"dequantize_{names[0]}", **attributes))
        return Weights(names[0], names[1], names[2], real, np.asarray(scale, np.float32))

    def bias(self, c: Choices, channels: int, act: Act, weights: Weights, taps: int) -> tuple[str, str] | None:
        """Choose an int32 bias in units of input scale times weight scale, or none: names of integers and floats."""
        kind = c.pick("none", "some", "some", "large")
        if kind == "none":
            return None
        size = 5000 * np.sqrt(taps) if kind == "some" else 1 << 24
        array = c.data().integers(-size, size, channels).astype(np.int32)
        scale = np.asarray(act.scale * weights.scale, np.float32)
        made = self.dequantized(array, scale, np.zeros(scale.shape, np.int32), 0)
        return made.name, made.real

    def _input(self, c: Choices) -> None:
        rank = c.pick(3, 3, 3, 2, 1)
        shape: tuple[int, ...] = (c.between(1, 9),)
        shape = (*shape, *(c.between(1, 12) for _ in range(rank - 1)))
        name = f"x{len(self.inputs)}"
        scale, zero, unsigned = self.scheme(c, 1.0)
        kind = np.uint8 if unsigned else np.int8
        data, low = c.data(), 0 if unsigned else -128
        codes = data.integers(low, low + 256, (SAMPLES, *shape))
        codes[1] = data.choice([low, low + 255, zero], shape)
        given = bool(c.below(2))
        self.inputs.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT if not given else _type(kind), ["n", *shape])
        )
        if given:
            self.feed[name] = codes.astype(kind)
            self.integers(name, shape, scale, zero, unsigned)
            return
        values = ((codes - zero) * np.float64(scale)).astype(np.float32)
        values[2] += data.normal(0, float(scale), shape).astype(np.float32)
        self.feed[name] = values
        names = (self.const(scale), self.const(zero, kind))
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *names], [f"{name}_q"], f"quantize_{name}"))
        self.integers(f"{name}_q", shape, scale, zero, unsigned, names)

    def model(self) -> onnx.ModelProto:
        """Return the model; what nobody reads are its outputs."""
        ends = [act for act in self.acts if act.name not in self.read and not act.name.startswith("x")]
        outputs = []
        for act in ends:
            name, kind = (
                (act.real, TensorProto.FLOAT) if self.float_outputs else (act.name, _type(act.zero_array.dtype))
            )
            outputs.append(helper.make_tensor_value_info(name, kind, ["n", *act.shape]))
        used = {value.name for value in outputs}
        nodes: list[onnx.NodeProto] = []
        for node in reversed(self.nodes):
            if any(name in used for name in node.output):
                nodes.insert(0, node)
                used.update(node.input)
        inputs = [value for value in self.inputs if value.name in used]
        self.feed = {value.name: self.feed[value.name] for value in inputs}
        constants = [tensor for tensor in self.constants if tensor.name in used]
        graph = helper.make_graph(nodes, "fuzz", inputs, outputs, constants)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)


def _type(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def small(shape: tuple[int, ...]) -> bool:
    """Say whether a tensor of this shape is small enough, and has something in it."""
    return 0 < prod(shape) <= SIZE_LIMIT and all(size > 0 for size in shape)
