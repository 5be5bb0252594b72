"""Operators by what they do to elements, for those who must know without importing: quantizer and importer."""

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
