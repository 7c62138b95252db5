"""The all-integer network: a training step without floating point and without autograd."""
