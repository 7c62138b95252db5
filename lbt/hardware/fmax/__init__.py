"""Clocks of units: slowest paths of their netlists, and place and route on ECP5 (extras ``rtl`` and ``place``)."""
