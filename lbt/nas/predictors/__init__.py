"""Predicting how good an architecture is from few evaluated ones: encoders, losses, training, metrics.

``from lbt.nas.predictors.fit import fit`` is the way in; ``lbt.nas.predictors.predict`` serves ``lbt predict``;
``lbt.nas.predictors.store`` keeps fitted predictors.
"""

from lbt.registry import Registry

ENCODERS = Registry("predictor", "lbt.nas.predictors.encoders")
"""One file per predictor; a file holds a neural ``Encoder``, or functions ``fit`` and ``load`` of its own."""
