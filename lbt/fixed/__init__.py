"""What a fixed-point accelerator does in a training step, as pure functions of integer tensors."""
