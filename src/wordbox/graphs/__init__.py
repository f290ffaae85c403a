"""Each network drawn as an ONNX graph from its spec and its named arrays."""
