"""Units that the hardware page shows, and published counts of some."""

PUBLISHED = {("multiplier", 9, 9): 115, ("multiplier", 4, 4): 11}
"""LUTs: the vendor's core generator (9×9), and an 11 LUT + 2 CARRY4 multiplier (4×4)."""

USUAL = (
    ("mac", "booth", 8, 8, 32), ("mac", "plain", 8, 8, 32), ("mac", "dsp", 8, 8, 32), ("mac", "booth", 16, 16, 32),
    ("requantize", "shift", 32, 8), ("requantize", "shift_stochastic", 32, 8), ("norm", "full_bn", 8, 0, 32),
    ("norm", "range_bn", 8, 0, 32), ("update", "booth", 16, 8, 16), ("random", "hash", 32, 0),
    ("float_multiplier", "booth", 8, 23), ("float_adder", "plain", 8, 23),
)  # fmt: skip
"""Units whose clocks are on the page."""
