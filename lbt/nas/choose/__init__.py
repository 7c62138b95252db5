"""Which network and which number formats, for a user's images and board: the search behind ``lbt choose``.

images → short trainings of chains, guided by free scores and a predictor (:mod:`.propose`, :mod:`.trial`) → full
trainings of the front's networks (:mod:`.search`) → formats by layer under the limits (:mod:`.bits`) → adaptation in
these formats (:mod:`.real`), among which evidence without labels chooses (:mod:`.evidence`) → report (:mod:`.report`).

No label of the target is read before the report's accuracies.
"""
