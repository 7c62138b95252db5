"""``lbt serve-adapt``: the loop that a device runs: images arrive, are predicted, change the network, are forgotten.

``sources`` reads them (a folder, frames on a pipe), ``journal`` keeps what is not in a checkpoint yet, ``server`` is
the loop. **Nothing that was answered is lost**: images are in the journal, on the disk, before the network sees them,
and a loop that is killed at any instant repeats from its last checkpoint what the journal holds. Each step is a pure
function of the state and its images, so that the repetition ends in the same bytes.
"""
