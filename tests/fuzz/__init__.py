"""Random quantized ONNX graphs through every machine of the chain: ``python -m fuzz`` with ``tests`` on the path."""
