"""From a converted network to the nodes of an ONNX graph in QDQ form; :func:`lbt.export.export_onnx` is the door."""
