"""Operators of quantized files that are known and cannot be had exactly: why, and what to do."""

STATICALLY = "quantize statically, with calibration data (`fpga-accel quantize` of the float model does)"

REFUSED = {
    "DynamicQuantizeLinear": ("its scale depends on the data (dynamic quantization)", STATICALLY),
    "ConvInteger": ("its input has no constant scale (dynamic quantization)", STATICALLY),
    "MatMulInteger": ("its input has no constant scale (dynamic quantization)", STATICALLY),
    "DynamicQuantizeMatMul": ("its scale depends on the data (dynamic quantization)", STATICALLY),
    "MatMulIntegerToFloat": ("its input has no constant scale (dynamic quantization)", STATICALLY),
    "DynamicQuantizeLSTM": ("it is recurrent and quantized dynamically", "use convolutions or fully connected layers"),
    "QLinearWhere": ("it chooses by a computed condition", "replace it by Add, Mul or Clip, or leave it float"),
    "BipolarQuant": ("its values are -1 and 1", "train with Quant of 2 bits or more"),
    "Trunc": ("it rounds by dropping bits", "export the average pooling without Trunc, then quantize its result"),
    "Quant": (
        "more than 8 bits, a zero point, several scales for an activation, or a rounding other than ROUND",
        "train with 2 to 8 bits, one scale and no zero point for activations, rounding ROUND",
    ),
}
