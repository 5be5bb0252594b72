"""Import: a QDQ ONNX file becomes the quantized graph, or one list of everything that stands in the way."""

import inspect
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rtl.spec.errors import BadInput, DoesNotFit
from rtl.spec.graph import Graph, Port, Tensor

from .batch import graph_inputs, infer_shapes, normalize_batch, with_batch
from .canonical import canonical, is_quantized
from .constants import scheme
from .draft import Draft
from .host_layout import HostLayout, without_transposes
from .loader import Source, load
from .movements import MOVES
from .operators import reason_of, supported
from .passes import finish
from .sources.refused import REFUSED
from .values import Constant, Input, Obstacle, Quantized, Real, Result, Shape, Unknown, Value, tensor_shape

QUANTIZATION = {"QuantizeLinear", "DequantizeLinear"}

MALFORMED = "not understood"


@dataclass(frozen=True)
class Verdict:
    """What becomes of one ONNX node: ``where`` is core, host, removed or refused.

    ``segment`` names the segment it is in, ``opset`` the version of its operator's set, ``attribute`` the one that is
    to blame, if it is one.
    """

    name: str
    operator: str
    where: str
    reason: str = ""
    remedy: str = ""
    segment: str = ""
    opset: int = 0
    attribute: str = ""

    def __str__(self) -> str:
        return f"{self.operator} '{self.name}': {self.reason}; {self.remedy}"


def import_graph(source: Source) -> Graph:
    """Return the quantized graph of a quantized model of any source, ours or anyone's.

    int8 and uint8 activations, int8 and uint8 weights with any zero point, per tensor or per channel.

    Raises
    ------
    BadInput
        If the file is not sound, or the model is not quantized.
    DoesNotFit
        If nodes cannot run on the core: one message that lists each with its reason and remedy.
    """
    graph, verdicts = examine(load(source))
    refused = [verdict for verdict in verdicts if verdict.where == "refused"]
    if graph is None or refused:
        count = f"{len(refused)} node{'s' if len(refused) != 1 else ''}"
        listed = "\n".join(f"  {verdict}" for verdict in refused)
        raise DoesNotFit(f"{_name(source)}: {count} cannot run on the core:\n{listed}")
    return graph


def examine(model: onnx.ModelProto) -> tuple[Graph | None, list[Verdict]]:
    """Return the graph (None if a node is refused) and what becomes of each node, in order.

    Raises
    ------
    BadInput
        If the model is not quantized, or an input has no fixed shape.
    """
    return walk(prepared(model))


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a quantized model in the form that :func:`walk` takes; for what it raises see :func:`examine`."""
    if not is_quantized(model):
        raise BadInput(
            f"{model.graph.name or 'model'}: the model is not quantized; run `fpga-accel quantize` on it first"
        )
    return canonical(model)


def walk(model: onnx.ModelProto) -> tuple[Graph | None, list[Verdict]]:
    """Do the work of :func:`examine` on a prepared model, or on a piece of one."""
    return _Import(without_transposes(with_batch(normalize_batch(model), 1))).run()


class _Import:
    """One walk over the nodes; ``values`` says what each name stands for."""

    def __init__(self, layout: HostLayout):
        self.layout = layout
        self.model = model = layout.model
        self.shapes = infer_shapes(model)
        self.draft = Draft([(entry.domain, entry.version) for entry in model.opset_import])
        self.verdicts = [Verdict(name, "Transpose", "host") for name in layout.nodes]
        self.values: dict[str, Value] = {
            tensor.name: Constant(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer
        }
        self.used = {name for node in model.graph.node for name in node.input} | {
            value.name for value in model.graph.output
        }

    def run(self) -> tuple[Graph | None, list[Verdict]]:
        for value in graph_inputs(self.model):
            self._guard(value.name, "input", lambda value=value: self._input(value))
        for index, node in enumerate(self.model.graph.node):
            self._node(node, node.name or node.output[0] or f"{node.op_type}_{index}")
        inputs = tuple(
            self._input_port(value) for value in graph_inputs(self.model) if value.name in self.draft.sources
        )
        outputs: list[Port] = []
        for value in self.model.graph.output:
            self._guard(value.name, "output", lambda value=value: outputs.append(self._output_port(value)))
        if any(verdict.where == "refused" for verdict in self.verdicts):
            return None, self.verdicts
        name = self.model.graph.name or "model"
        graph = Graph(name, inputs, tuple(outputs), self.draft.tensors, tuple(self.draft.nodes))
        return finish(graph), self.verdicts

    def _guard(self, name: str, what: str, work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except Obstacle as obstacle:
            self._refuse(name, what, obstacle.reason, obstacle.remedy, obstacle.node)

    def _refuse(self, name: str, operator: str, reason: str, remedy: str, blamed: str = "") -> None:
        if not blamed:
            self.verdicts.append(Verdict(name, operator, "refused", reason, remedy))
            return
        if operator != "output":
            self.verdicts.append(Verdict(name, operator, "core"))
        for index, verdict in enumerate(self.verdicts):
            if verdict.name == blamed:
                self.verdicts[index] = replace(verdict, where="refused", reason=reason, remedy=remedy)

    def _input(self, value: onnx.ValueInfoProto) -> None:
        shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        kind = value.type.tensor_type.elem_type
        self.values[value.name] = Unknown(shape)
        plain = tensor_shape(shape)
        if kind == TensorProto.FLOAT:
            self.values[value.name] = Input(value.name, shape, shape)
        elif kind in (TensorProto.INT8, TensorProto.UINT8):
            scale, zero_point, unsigned = self._scheme_of_input(value.name)
            tensor = Tensor(value.name, plain, scale, zero_point, unsigned)
            self.values[value.name] = Quantized(self.draft.take_input(Input(value.name, shape, shape), tensor), shape)
        else:
            raise Obstacle(f"input of {helper.tensor_dtype_to_string(kind)}", "inputs are float32, int8 or uint8")

    def _scheme_of_input(self, name: str) -> tuple[np.float32, int, bool]:
        """Return the scheme that the first DequantizeLinear behind an integer input gives it."""
        names = {name}
        for node in self.model.graph.node:
            if node.input and node.input[0] in names:
                if node.op_type == "DequantizeLinear":
                    zero = self.values.get(node.input[2]) if len(node.input) > 2 else None
                    return scheme(self.values.get(node.input[1], Unknown(None)), zero)
                if node.op_type in MOVES | {"MaxPool"}:
                    names.update(node.output)
        raise Obstacle("no DequantizeLinear behind this integer input", "quantize the whole model")

    def _node(self, node: onnx.NodeProto, name: str) -> None:
        operands = [self.values.get(source, Unknown(None)) if source else None for source in node.input]
        self.draft.at(name, node, operands)
        unknown = [operand for operand in operands if isinstance(operand, Unknown)]
        shape = self.shapes.get(node.output[0])
        value: Value | tuple[Value, ...]
        try:
            if node.op_type == "QuantizeLinear" and isinstance(operands[0], Unknown):
                value = self._guess(operands[0], operands, shape)
            elif unknown and node.op_type in supported():
                value = self._unknown(node)
            else:
                value = self._apply(node, operands)
            where = "removed" if node.op_type in ("Identity", "Dropout") else "core"
            if node.op_type not in QUANTIZATION:
                self.verdicts.append(Verdict(name, node.op_type, where))
        except Obstacle as obstacle:
            self._refuse(name, node.op_type, obstacle.reason, obstacle.remedy, obstacle.node)
            value = self._unknown(node)
        except BadInput as error:
            self._refuse(name, node.op_type, str(error), "quantize the model again")
            value = self._unknown(node)
        except Exception as error:  # whatever a stranger's attributes do, the nodes behind are examined as well
            reason = f"{MALFORMED} ({type(error).__name__}: {error})"
            self._refuse(name, node.op_type, reason, "correct the node's attributes, or report it")
            value = self._unknown(node)
        results = value if isinstance(value, tuple) else (value,)
        self.values.update(zip(node.output, results, strict=False))

    def _unknown(self, node: onnx.NodeProto) -> tuple[Value, ...]:
        return tuple(Unknown(self.shapes.get(name)) for name in node.output)

    def _apply(self, node: onnx.NodeProto, operands: list[Value | None]) -> Value | tuple[Value, ...]:
        function = supported().get(node.op_type) if node.domain in ("", "ai.onnx", "com.microsoft") else None
        if function is None:
            domain = f" of {node.domain}" if node.domain else ""
            if node.op_type in REFUSED:
                raise Obstacle(*REFUSED[node.op_type])
            reason = reason_of(node.op_type) if not domain else f"operator{domain} is not supported"
            raise Obstacle(reason, "replace it by supported operators (see the README's table)")
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        parameters = inspect.signature(function).parameters
        open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        for attribute in attributes:
            if attribute not in parameters and not open_ended:
                raise Obstacle(f"attribute {attribute} is not supported", "export the model without it")
        result: Value | tuple[Value, ...] = function(self.draft, *operands, **attributes)  # type: ignore[assignment]
        count = len(result) if isinstance(result, tuple) else 1
        for output in node.output[count:]:
            if output and output in self.used:
                raise Obstacle(f"its output '{output}' is used", "only the first output is supported")
        return result

    def _guess(self, value: Unknown, operands: list[Value | None], shape: Shape | None) -> Value:
        if shape is None or shape[:1] != (1,):
            return Unknown(None)
        scale, zero_point, unsigned = scheme(*(operands[1:3] + [None])[:2])  # type: ignore[arg-type]
        output = Tensor(self.draft.outputs[0], tensor_shape(shape), scale, zero_point, unsigned)
        return self.draft.guess(replace(value, shape=shape), output)

    def _input_port(self, value: onnx.ValueInfoProto) -> Port:
        shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
        perm = self.layout.perms.get(value.name, ())
        outside = tuple(shape[place] for place in np.argsort(perm)) if perm else shape
        name = self.layout.names.get(value.name, value.name)
        tensor = self.draft.sources[value.name]
        return Port(name, tensor, (-1, *outside[1:]), dtype, dtype != "float32", perm=perm)

    def _output_port(self, output: onnx.ValueInfoProto) -> Port:
        value = self.values.get(output.name, Unknown(None))
        if isinstance(value, Result) and value.source is not None:
            self.draft.at(output.name, helper.make_node("Identity", [output.name], [output.name]), (value,))
            value = self.draft.seen(value)
        if isinstance(value, Unknown):
            return Port(output.name, "", (), "")
        if not isinstance(value, Real | Quantized):
            raise Obstacle("the output is not quantized", "quantize the whole model (`fpga-accel quantize` does)")
        inside = self.draft.called(value)
        integers = isinstance(value, Quantized)
        dtype = "float32" if not integers else "uint8" if inside.unsigned else "int8"
        moved = self.layout.perms.get(output.name, ())
        perm = tuple(int(place) for place in np.argsort(moved))
        outside = tuple(value.shape[axis] for axis in moved) if moved else value.shape
        name = self.layout.names.get(output.name, output.name)
        return Port(name, inside.name, (-1, *outside[1:]), dtype, integers, perm)


def _name(source: Source) -> str:
    return (source.graph.name or "model") if isinstance(source, onnx.ModelProto) else str(source)
