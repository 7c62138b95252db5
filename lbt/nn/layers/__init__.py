"""Quantized layers, their products, and quantization of the tensors that flow between layers."""
