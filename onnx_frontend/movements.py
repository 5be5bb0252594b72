"""Operators by what they do to elements, for those who must know before importing."""

MOVES = {
    "DepthToSpace",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
}
"""Move elements of one tensor."""

CHOOSE = {"GlobalMaxPool", "MaxPool", "ReduceMax"}
"""Choose elements of one tensor."""

LINEAR = {"Add", "BatchNormalization", "Div", "Mul", "Neg", "Sub"}
"""Make a line of a line, with one operand constant; of two lines, Add and Sub."""

CLAMPS = {"Clip", "Relu"}

FUNCTIONS = LINEAR | CLAMPS
FUNCTIONS |= {
    "Abs",
    "Ceil",
    "Celu",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
}
FUNCTIONS |= {"Max", "Min", "Mish", "PRelu", "Pow", "QuickGelu", "Reciprocal", "Round", "Selu", "Sigmoid", "Sign"}
FUNCTIONS |= {"Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"}
"""Compute each element from one element, or from one of each operand."""
