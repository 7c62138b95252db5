"""Products of int8 codes with exact int32 sums: convolutions and matrix products, forward and backward."""
