"""Sliding windows: ONNX's strides, pads, dilations, auto_pad and ceil_mode for one and two dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

from .values import Obstacle


@dataclass(frozen=True)
class Window:
    """A window on an image of height and width; one-dimensional ones have height 1.

    ``pads`` are top, left, bottom, right; ``output`` is the height and width of the result.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    output: tuple[int, int]

    def spatial(self, rank: int) -> tuple[int, ...]:
        """Return the spatial dimensions of the result of an image that has ``rank`` of them."""
        return self.output[2 - rank :]


def window(
    image: Sequence[int],
    kernel: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    auto_pad: str | bytes = "NOTSET",
    ceil_mode: int = 0,
) -> Window:
    """Return the window of an operator on ``image`` (spatial dimensions only), each attribute as ONNX defines it.

    With ``ceil_mode`` the end pads are those that the last window really reaches.

    Raises
    ------
    Obstacle
        If the image is not one- or two-dimensional, or no window fits.
    """
    rank = len(image)
    strides, dilations, begins, ends, mode = _given(rank, strides, dilations, pads, auto_pad)
    output = []
    for axis in range(rank):
        size, step = image[axis], strides[axis]
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        if mode == "VALID":
            begins[axis] = ends[axis] = 0
        elif mode != "NOTSET":
            total = max((-(-size // step) - 1) * step + reach - size, 0)
            begins[axis], ends[axis] = _split(total, mode)
        if begins[axis] < 0 or ends[axis] < 0:
            raise Obstacle(f"negative pads {list(pads or [])}", "crop the input instead")
        room = size + begins[axis] + ends[axis] - reach
        if room < 0:
            raise Obstacle(f"kernel {list(kernel)} is larger than the padded input {list(image)}", "correct the model")
        count = room // step + 1
        if ceil_mode and room % step:
            if count * step < size + begins[axis]:
                count += 1
            ends[axis] = max(ends[axis], (count - 1) * step + reach - size - begins[axis])
        output.append(count)
    return _flat(kernel, strides, begins, ends, dilations, output)


def spread_window(
    image: Sequence[int],
    kernel: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    auto_pad: str | bytes = "NOTSET",
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
) -> Window:
    """Return the window of a ConvTranspose on ``image``, each attribute as ONNX Runtime understands it.

    An odd padding that ``output_shape`` or ``auto_pad`` asks for is larger behind with SAME_UPPER, else in front.

    Raises
    ------
    Obstacle
        If the image is not one- or two-dimensional, or nothing is left of it.
    """
    rank = len(image)
    strides, dilations, begins, ends, mode = _given(rank, strides, dilations, pads, auto_pad)
    extra = list(output_padding or [0] * rank)
    output = []
    for axis in range(rank):
        whole = (image[axis] - 1) * strides[axis] + extra[axis] + dilations[axis] * (kernel[axis] - 1) + 1
        asked = list(output_shape)[-rank:][axis] if output_shape else None
        if asked is None and mode.startswith("SAME"):
            asked = min(image[axis] * strides[axis], whole)
        if mode == "VALID":
            begins[axis] = ends[axis] = 0
        if asked is not None:
            total = max(whole - asked, 0)
            begins[axis], ends[axis] = _split(total, mode)
        count = asked if asked is not None else whole - begins[axis] - ends[axis]
        if count <= 0 or begins[axis] < 0 or ends[axis] < 0:
            raise Obstacle(f"pads {list(pads or [])} on input {list(image)}", "correct the model")
        output.append(count)
    return _flat(kernel, strides, begins, ends, dilations, output)


def _given(
    rank: int,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str | bytes,
) -> tuple[list[int], list[int], list[int], list[int], str]:
    """Return strides, dilations, pads in front, pads behind and auto_pad, each as given or as ONNX has it else."""
    if rank not in (1, 2):
        raise Obstacle(f"{rank} spatial dimensions", "only 1 and 2 are supported")
    mode = auto_pad.decode() if isinstance(auto_pad, bytes) else auto_pad
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Obstacle(f"auto_pad {mode}", "export the model with explicit pads")
    padding = list(pads or [0] * 2 * rank)
    return (
        list(strides or [1] * rank),
        list(dilations or [1] * rank),
        padding[:rank],
        padding[rank:],
        mode,
    )


def _split(total: int, mode: str) -> tuple[int, int]:
    """Return the padding in front and behind; an odd one is larger behind with SAME_UPPER, else in front."""
    half = total // 2
    return (half, total - half) if mode == "SAME_UPPER" else (total - half, half)


def _flat(
    kernel: Sequence[int],
    strides: Sequence[int],
    begins: Sequence[int],
    ends: Sequence[int],
    dilations: Sequence[int],
    output: Sequence[int],
) -> Window:
    if len(kernel) == 1:
        return Window((1, kernel[0]), (1, strides[0]), (0, begins[0], 0, ends[0]), (1, dilations[0]), (1, output[0]))
    return Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (begins[0], begins[1], ends[0], ends[1]),
        (dilations[0], dilations[1]),
        (output[0], output[1]),
    )
