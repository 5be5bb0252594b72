"""Networks whose channels are rescaled by random powers of two from layer to layer; their function is unchanged."""

import numpy as np
import onnx
from onnx import numpy_helper


def rescaled(model, seed, exponent=6):
    """Return a float model (BatchNormalization folded) with the channels between Convs out of balance.

    What a Conv gives is divided by a power of two, channel by channel, and the weights of the Conv behind its Relu are
    multiplied by it, wherever nothing else reads the Relu.
    """
    random = np.random.default_rng(seed)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in result.graph.initializer}
    readers = {}
    for node in result.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def multiply(name, factor, axis):
        array = numpy_helper.to_array(tensors[name])
        shape = [1] * array.ndim
        shape[axis] = -1
        tensors[name].CopyFrom(numpy_helper.from_array(array * factor.reshape(shape).astype(np.float32), name))

    changed = 0
    for node in result.graph.node:
        (relu,) = readers.get(node.output[0], [node])[:1]
        behind = readers.get(relu.output[0], [])
        if (
            node.op_type != "Conv"
            or relu.op_type != "Relu"
            or [reader.op_type for reader in behind] != ["Conv"]
            or len(readers[node.output[0]]) > 1
        ):
            continue
        channels = tensors[node.input[1]].dims[0]
        factor = 2.0 ** random.integers(-exponent, exponent + 1, channels)
        multiply(node.input[1], 1 / factor, 0)
        multiply(node.input[2], 1 / factor, 0)
        depthwise = tensors[behind[0].input[1]].dims[1] == 1
        multiply(behind[0].input[1], factor, 0 if depthwise else 1)
        changed += 1
    assert changed
    return result
