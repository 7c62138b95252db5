"""Where low precision hurts: each tensor of a training step, its quantization error measured and predicted."""
