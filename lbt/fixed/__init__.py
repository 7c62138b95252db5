"""The arithmetic of a fixed-point accelerator in a training step, as pure functions of integer tensors."""
