"""Files that are meant to do harm: how each is made, which command reads it, and how that must end."""

import numpy as np
from attack_archives import (
    _first_place,
    _set,
    array_bytes,
    bomb,
    encrypted,
    not_finite,
    npz_entry,
    pickled,
    program,
    samples,
)
from attack_files import (
    HUGE,
    Attack,
    calibrated,
    calling,
    chain,
    check,
    compiled,
    constant_outside,
    convolved,
    cyclic,
    declared,
    device,
    doubled,
    empty_nodes,
    external,
    fifo,
    function,
    function_bomb,
    grown,
    hard_link,
    int64,
    model,
    nested_bytes,
    nested_types,
    outer,
    outside,
    packed_numbers,
    pipe,
    pooled,
    powered,
    quantized,
    ran,
    renamed,
    sized,
    sparse,
    subfolder,
    subgraph,
    symlink,
    training,
    typed,
    weight,
    without_option,
)
from onnx import TensorProto, helper, numpy_helper

NAN, INF, DENORMAL = float("nan"), float("inf"), 1e-42
CONFIG = ("config", "fields")
STRING = helper.make_tensor("w", TensorProto.STRING, [3, 2, 1, 1], [b"x"] * 6)
FLOAT16 = numpy_helper.from_array(np.ones((3, 2, 1, 1), np.float16), "w")
MANY_INPUTS = helper.make_node("Sum", ["x"] * 30_000, ["y"], "s")

ATTACKS: dict[str, Attack] = {
    "empty": Attack(check(b""), 2, "empty"),
    "text": Attack(check(b"a text file\n" * 20), 2, "cannot be read as ONNX"),
    "zeros": Attack(check(bytes(1000)), 2, "truncated"),
    "truncated": Attack(check(lambda folder: model().SerializeToString()[:-9]), 2, "truncated"),
    "three gigabytes": Attack(check(sized), 2, "--max-mib"),
    "a pipe": Attack(check(fifo), 2, "no plain file"),
    "an endless device": Attack(check(device), 2, "no plain file"),
    "cyclic graph": Attack(check(cyclic()), 2, "sorted"),
    "duplicate outputs": Attack(
        check(model([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["y"])])), 2, "not a sound"
    ),
    "duplicate initializers": Attack(check(model(None, [weight(), weight(value=2.0)])), 2, "w"),
    "2^50 elements": Attack(check(model(None, [declared([HUGE])])), 2, "elements"),
    "dimensions that overflow": Attack(check(model(None, [declared([1 << 33, 1 << 33, 0])])), 2, "w"),
    "product that overflows": Attack(check(model(None, [declared([1 << 32, 1 << 32])])), 2, "elements"),
    "negative dimension": Attack(check(model(None, [declared([-3, 2, 1, 1], bytes(24))])), 2, "negative"),
    "fewer bytes than declared": Attack(check(model(None, [declared([3, 2, 1, 1], bytes(20))])), 2, "24 bytes"),
    "more bytes than declared": Attack(check(model(None, [declared([3, 2, 1, 1], bytes(28))])), 2, "24 bytes"),
    "element type 99": Attack(check(model(None, [declared([3, 2, 1, 1], bytes(24), 99)])), 2, "element type 99"),
    "weights of text": Attack(check(model(None, [STRING])), 2, "not a sound"),
    "weights of float16": Attack(check(model(None, [FLOAT16])), 2, "not a sound"),
    "input of 2^50 elements": Attack(
        check(model([helper.make_node("Relu", ["x"], ["y"])], shape=(1, HUGE))), 2, "elements"
    ),
    "input of negative size": Attack(check(model(shape=(1, 2, -4, 4))), 2, "x"),
    "bomb ConstantOfShape": Attack(check(grown("ConstantOfShape", int64("n", [HUGE]), inputs=["n"])), 2, "elements"),
    "bomb Expand": Attack(
        check(grown("Expand", int64("n", [HUGE]), weight("v", (1,)), inputs=["v", "n"])), 2, "elements"
    ),
    "bomb Tile": Attack(
        check(grown("Tile", int64("n", [1 << 40]), weight("v", (4,)), inputs=["v", "n"])), 2, "elements"
    ),
    "bomb Pad": Attack(
        check(grown("Pad", int64("n", [0, 1 << 40]), weight("v", (4,)), inputs=["v", "n"])), 2, "elements"
    ),
    "bomb Range": Attack(
        check(
            grown(
                "Range",
                *(numpy_helper.from_array(np.float32(v), k) for k, v in (("a", 0), ("b", 1e12), ("c", 1))),
                inputs=["a", "b", "c"],
            )
        ),
        2,
        "elements",
    ),
    "bomb Resize": Attack(
        check(
            model(
                [helper.make_node("Resize", ["x", "", "r"], ["y"], "bomb")],
                [numpy_helper.from_array(np.array([1, 1, 1e6, 1e6], np.float32), "r")],
            )
        ),
        2,
        "elements",
    ),
    "bomb behind a power": Attack(check(powered()), 2, "elements"),
    "bomb behind a power, quantize": Attack(calibrated(samples, powered()), 2, ""),
    "list that doubles": Attack(check(doubled()), 2, "whole numbers"),
    "outer product": Attack(check(outer()), 2, "elements"),
    "external without the option": Attack(check(without_option), 2, "--external-data"),
    "external absolute": Attack(check(external(lambda folder, content: str(folder / "w.bin"))), 2, "own folder"),
    "external /etc/passwd": Attack(check(constant_outside), 2, "own folder"),
    "external ..": Attack(
        check(external(lambda folder, content: f"../{outside(folder, content).name}")), 2, "own folder"
    ),
    "external parent": Attack(check(external("..")), 2, "own folder"),
    "external subfolder": Attack(check(external(subfolder)), 2, "own folder"),
    "external link": Attack(check(external(symlink)), 2, "is a link"),
    "external hard link": Attack(check(external(hard_link)), 2, "linked from 2 places"),
    "external pipe": Attack(check(external(pipe)), 2, "no plain file"),
    "external absent": Attack(check(external("absent.bin")), 2, "cannot be opened"),
    "external folder itself": Attack(check(external(".")), 2, "own folder"),
    "external beyond the end": Attack(check(external("w.bin", offset=8)), 2, "of a file of"),
    "external offset of 2^60": Attack(check(external("w.bin", offset=1 << 60)), 2, "of a file of"),
    "external negative offset": Attack(check(external("w.bin", offset=-8)), 2, "whole number"),
    "external wrong length": Attack(check(external("w.bin", length=8)), 2, "need 24"),
    "nested types": Attack(check(nested_types()), 2, "deep"),
    "nested graphs": Attack(check(nested_bytes()), 2, "deep"),
    "three million nodes": Attack(check(lambda folder: empty_nodes()), 2, "fields"),
    "numbers that grow": Attack(check(lambda folder: packed_numbers()), 2, "lists of numbers"),
    "If": Attack(check(subgraph("If")), 3, "If 'inner': control flow"),
    "Loop": Attack(check(subgraph("Loop")), 3, "Loop 'inner': control flow"),
    "Scan": Attack(check(subgraph("Scan")), 3, "Scan 'inner': control flow"),
    "function that calls itself": Attack(check(calling(function("f0", "f0"))), 3, "calls itself"),
    "functions that call each other": Attack(
        check(calling(function("f0", "f1"), function("f1", "f0"))), 3, "calls itself"
    ),
    "functions that multiply": Attack(check(function_bomb()), 2, "nodes"),
    "unknown domain": Attack(check(chain("Thing", 1, "evil")), 3, "unknown domain 'evil'"),
    "sequence": Attack(
        check(typed(helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [1])))), 3, "type sequence"
    ),
    "optional": Attack(
        check(typed(helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [1])))), 3, "type optional"
    ),
    "sparse weight": Attack(check(sparse()), 3, "sparse"),
    "training information": Attack(check(training()), 3, "training"),
    "name that is not UTF-8": Attack(check(renamed(nodename=b"node\xff\xfe\x80!")), 2, "not UTF-8"),
    "name for the terminal": Attack(check(renamed(nodename=b"no\x1b[2J\rx")), 2, "do not print"),
    "absent initializer": Attack(check(model([helper.make_node("Conv", ["x", "gone"], ["y"], "c")])), 2, "gone"),
    "30,000 inputs": Attack(check(model([MANY_INPUTS])), 3, "Sum 's'"),
    "kernel of 2^40": Attack(check(pooled(kernel_shape=[1 << 40, 1 << 40])), 2, "kernel_shape"),
    "strides of 0": Attack(check(pooled(strides=[0, 0])), 2, "strides"),
    "dilations of 0": Attack(check(convolved(dilations=[0, 0])), 2, "dilations"),
    "pads of 2^60": Attack(check(convolved(pads=[1 << 60] * 4)), 2, "pads"),
    "pads of 2^15": Attack(check(convolved(pads=[1 << 15] * 4)), 2, "elements"),
    "group of 0": Attack(check(convolved(group=0)), 2, "group"),
    "group of -2": Attack(check(convolved(group=-2)), 2, "group"),
    "axis of 99": Attack(check(model([helper.make_node("Softmax", ["x"], ["y"], axis=99)])), 2, ""),
    "perm twice the same": Attack(
        check(model([helper.make_node("Transpose", ["x"], ["y"], perm=[0, 1, 1, 1])])), 2, ""
    ),
    "newer than onnx": Attack(check(model(opset=999)), 2, "opset 999"),
    "older than onnx": Attack(check(model(opset=0)), 2, ""),
    "weights of NaN": Attack(calibrated(samples, model(None, [weight(value=NAN)])), 2, ""),
    "weights of infinity": Attack(calibrated(samples, model(None, [weight(value=INF)])), 2, ""),
    "scale NaN": Attack(compiled(quantized(NAN)), 3, "scale nan"),
    "scale infinite": Attack(compiled(quantized(INF)), 3, "scale inf"),
    "scale 0": Attack(compiled(quantized(0.0)), 3, "scale 0.0"),
    "scale negative": Attack(compiled(quantized(-0.1)), 3, "scale -0.1"),
    "weight scale denormal": Attack(compiled(quantized(weight_scale=DENORMAL)), 3, ""),
    "weight scale NaN": Attack(compiled(quantized(weight_scale=NAN)), 3, "scale"),
    "weight scale 0": Attack(compiled(quantized(weight_scale=0.0)), 3, "scale"),
    "two scales for three channels": Attack(compiled(quantized(weight_scale=[0.1, 0.2])), 3, "weight scales"),
    "scales along no axis": Attack(compiled(quantized([0.1, 0.2])), 3, "2 scales"),
    "zero point of float": Attack(compiled(quantized(zero=np.float32(0))), 2, ""),
    "zero point of int32": Attack(compiled(quantized(zero=np.int32(5))), 2, ""),
    "zero point of no element": Attack(compiled(quantized(zero=np.zeros(0, np.int8))), 3, "0 zero points"),
    "weight zero point of uint8": Attack(compiled(quantized(weight_zero=np.uint8(1))), 2, ""),
    "10,000 unknown nodes": Attack(check(chain("Thing", 10_000, "evil")), 3, "more"),
    "2,000 refused nodes": Attack(check(chain("Sin", 2_000)), 3, "and 1,992 more"),
    "4,000 nodes": Attack(check(chain("Relu", 4_000)), 0, ""),
    "10,000 nodes": Attack(check(chain("Relu", 10_000)), 2, "10,000 nodes, expected at most"),
    "calibration: 2^50 elements": Attack(calibrated(npz_entry(("x.npy", array_bytes((HUGE, 2, 4, 4))))), 2, "needs"),
    "calibration: negative shape": Attack(calibrated(npz_entry(("x.npy", array_bytes((-1, 2, 4, 4))))), 2, "shape"),
    "calibration: 544 MiB of zeros": Attack(calibrated(bomb), 2, "unpacked"),
    "calibration: encrypted": Attack(calibrated(encrypted), 2, "encrypted"),
    "calibration: pickles": Attack(calibrated(pickled), 2, "object"),
    "calibration: header with code": Attack(
        calibrated(npz_entry(("x.npy", array_bytes("__import__('os').getcwd()")))), 2, "cannot be read"
    ),
    "calibration: deep header": Attack(
        calibrated(npz_entry(("x.npy", array_bytes("(" * 3000 + ")" * 3000)))), 2, "header"
    ),
    "calibration: same name twice": Attack(
        calibrated(lambda path: npz_entry(("x.npy", b"a"), ("x", b"b"))(path)), 2, "same name"
    ),
    "calibration: NaN": Attack(calibrated(not_finite), 2, "NaN"),
    "program: 2^50 words": Attack(ran(npz_entry(("manifest.npy", array_bytes((HUGE,), "|u1")))), 2, "damaged"),
    "program: deep manifest": Attack(ran(program(lambda fields: "[" * 100_000)), 2, "damaged"),
    "program: memory of 2^40 words": Attack(ran(program(_set((*CONFIG, "act_words"), 1 << 40))), 2, "act_words"),
    "program: text for a number": Attack(ran(program(_set(("cycles",), "many"))), 2, "cycles"),
    "program: no such tensor": Attack(ran(program(_set(("kept",), ["gone"]))), 2, "gone"),
    "program: tensor outside": Attack(ran(program(_first_place)), 2, "outside"),
    "program: another class": Attack(ran(program(_set(("graph",), {"class": "Config", "fields": {}}))), 2, "damaged"),
}
