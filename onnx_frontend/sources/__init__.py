"""Sources: passes that bring every kind of model file into one form (`onnx_frontend.canonical` lists them in order)."""
