"""The arithmetic of a training step: quantization of tensors, and products of quantized operands."""
