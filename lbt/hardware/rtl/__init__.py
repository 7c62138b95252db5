"""Units of a training accelerator in Amaranth, one kind a file, and their synthesis by Yosys.

Every unit is synchronous with registered outputs. Importing this package does not import Amaranth.
"""
