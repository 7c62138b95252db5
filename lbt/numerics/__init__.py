"""Number formats, rounding, range finding and recipes: pure tensor functions, no ``nn.Module``."""
