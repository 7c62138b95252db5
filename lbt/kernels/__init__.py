"""How the arithmetic of a training step is computed: quantizing a tensor, and the products of quantized operands."""
