"""Optimizers with low-bit state and master weights, and loss scaling."""
