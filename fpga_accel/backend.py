"""ONNX's standard backend interface: ``fpga_accel.backend.prepare(model).run(inputs)``.

What a model says in integers (QuantizeLinear and DequantizeLinear, QLinearConv, QLinearMatMul, ConvInteger ...) runs on
the core wherever that is exact; a model in float runs on the host, as an int8 core would give another answer. What is
refused raises ``BackendIsNotSupposedToImplementIt`` with the message that the command line would print.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnx.backend.base import Backend, BackendRep
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from onnx_frontend.batch import graph_inputs
from onnx_frontend.canonical import is_quantized
from onnx_frontend.loader import load
from onnx_frontend.partition import compile_plan, divide, whole_on_host
from rtl.spec.config import core
from rtl.spec.errors import BadInput, FpgaAccelError
from rtl.spec.plan import Plan

from .defects import defect
from .host_runner import HostRunner
from .session import Session

RUNTIME_OPSET = 24
"""ONNX Runtime 1.32 has no kernels for some operators of newer ones."""


class Prepared(BackendRep):
    """A model ready to run.

    Members
    -------
    plan : Plan or None
        How it was cut; of a model whose parameters are inputs, when it ran last.
    """

    def __init__(self, model: onnx.ModelProto, device: str, size: str):
        self.plan: Plan | None = None
        self._model = model
        self._device = device
        self._size = size
        self._integer = is_quantized(model)
        first = {node.input[0] for node in model.graph.node if node.input}
        self._parameters = [v.name for v in graph_inputs(model) if v.name not in first] if self._integer else []
        self._ready: dict[bytes, Session | HostRunner] = {}
        if not self._parameters:
            self._open({})

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs for inputs in the model's order, or by name.

        Inputs that no node reads first (scales, zero points, weights) are parameters: the model is cut anew for each
        set of them.
        """
        names = [value.name for value in graph_inputs(self._model)]
        feed = dict(inputs) if isinstance(inputs, dict) else dict(zip(names, inputs, strict=True))
        parameters = {name: np.asarray(feed.pop(name)) for name in self._parameters}
        try:
            runner = self._open(parameters)
            if isinstance(runner, Session):
                return tuple(runner.run(None, feed))
            results = runner.run(feed)
        except FpgaAccelError as error:
            raise BackendIsNotSupposedToImplementIt(str(error)) from error
        return tuple(_typed(results[value.name], value) for value in self._model.graph.output)

    def _open(self, parameters: dict[str, NDArray[Any]]) -> Session | HostRunner:
        key = b"".join(
            name.encode() + repr(array.shape).encode() + array.tobytes() for name, array in parameters.items()
        )
        if key not in self._ready:
            model = _bound(self._model, parameters)
            self.plan = _on_core(model) if self._integer else None
            if self.plan is None:
                self.plan, self._ready[key] = _hosted(model)
            else:
                compiled = self.plan if self._device == "numpy" else compile_plan(self.plan, core(self._size))
                self._ready[key] = Session(compiled, self._device)
        return self._ready[key]


class FpgaAccelBackend(Backend):
    """The backend; ``device`` is ONNX's "CPU", where the reference computes what every core computes.

    ``prepare`` and what calls it also take ``machine``, another device of
    :func:`~fpga_accel.open_device.open_device`, and ``core``, the size of its core, such as "8x8".
    """

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Say whether there is such a device."""
        return device == "CPU"

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Say whether :meth:`prepare` takes the model."""
        try:
            cls.prepare(model, device, **kwargs)
        except BackendIsNotSupposedToImplementIt:
            return False
        return True

    @classmethod
    def prepare(
        cls, model: onnx.ModelProto, device: str = "CPU", *, machine: str = "numpy", core: str = "8x8", **kwargs: Any
    ) -> Prepared:
        """Return the model ready to run.

        Raises
        ------
        BackendIsNotSupposedToImplementIt
            If neither the core nor ONNX Runtime runs it.
        """
        if not cls.supports_device(device):
            raise BackendIsNotSupposedToImplementIt(f"device '{device}': expected CPU")
        try:
            load(model)
            wrong = defect(model)
            if wrong:
                raise BackendIsNotSupposedToImplementIt(f"{wrong}; use another operator")
            return Prepared(model, machine, core)
        except FpgaAccelError as error:
            raise BackendIsNotSupposedToImplementIt(str(error)) from error

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one operator, of the newest opset or of ``opset_version``."""
        version = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        arrays = dict(zip((name for name in node.input if name), map(np.asarray, inputs), strict=True))
        kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in arrays.items()}
        outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        for value, (dtype, shape) in zip(outputs, outputs_info or (), strict=False):
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))
        given = [helper.make_tensor_value_info(name, kinds[name], array.shape) for name, array in arrays.items()]
        graph = helper.make_graph([node], node.name or node.op_type, given, outputs)
        sets = [helper.make_opsetid("", version)]
        if node.domain not in ("", "ai.onnx"):
            sets.append(helper.make_opsetid(node.domain, 1))
        model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=sets))
        return cls.prepare(model, device, **kwargs).run(arrays)


def _hosted(model: onnx.ModelProto) -> tuple[Plan, HostRunner]:
    """Return a model on the host as it is, or in the newest opset that ONNX Runtime knows all of."""
    plan = whole_on_host(model)
    try:
        return plan, HostRunner(plan.host[0])
    except BadInput:
        try:
            plan = whole_on_host(version_converter.convert_version(model, RUNTIME_OPSET))
        except Exception:  # there is no way down: what was said first holds
            plan = whole_on_host(model)
        return plan, HostRunner(plan.host[0])


def _typed(result: Any, value: onnx.ValueInfoProto) -> Any:
    """Return a result of ONNX Runtime, which has no NumPy type for some of ONNX's and then returns raw bytes."""
    kind = value.type.tensor_type.elem_type
    expected = helper.tensor_dtype_to_np_dtype(kind) if kind not in (0, TensorProto.STRING) else None
    if isinstance(result, np.ndarray) and expected is not None and result.dtype != expected:
        raise BackendIsNotSupposedToImplementIt(
            f"output '{value.name}': ONNX Runtime gives {result.dtype} for {expected}; give it a type of NumPy"
        )
    return result


def _bound(model: onnx.ModelProto, parameters: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    """Return the model with some of its inputs as constants."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    kept = [value for value in result.graph.input if value.name not in parameters]
    del result.graph.input[:]
    result.graph.input.extend(kept)
    result.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in parameters.items())
    return result


def _on_core(model: onnx.ModelProto) -> Plan | None:
    """Return the plan of a model of which something runs on the core; None if nothing does."""
    shapes = [value.type.tensor_type.shape.dim for value in graph_inputs(model)]
    batches = {dims[0].dim_value or dims[0].dim_param if dims else "none" for dims in shapes}
    if len(batches) != 1 or "none" in batches:
        return None  # the first dimension is not that of samples
    try:
        plan = divide(load(model)).plan
    except BadInput:
        return None  # nothing in it is quantized after all
    return plan if plan.core else None


prepare = FpgaAccelBackend.prepare
run_model = FpgaAccelBackend.run_model
run_node = FpgaAccelBackend.run_node
supports_device = FpgaAccelBackend.supports_device
is_compatible = FpgaAccelBackend.is_compatible
