"""From ONNX to a program for the core: import, quantize, tile, allocate, emit."""
