"""A budget of questions, spent evenly over a stream on the images that are worth most.

The device cannot look ahead, and the scale of a worth drifts while the network learns. So a worth is compared with
those of the last images: image t is asked if p < r, with

    p = (#{i: w_i > w_t} + u · #{i: w_i = w_t}) / n    over the last n images, t itself among them; u uniform in [0, 1)
    r = questions left / images left, in this period

p is the smoothed conformal p-value (Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World). As long as
the last images could have come in any order, it is uniform from the first image on, also where worths are equal: the
device then asks at the rate r. Where they do not, r corrects what was spent too fast or too slowly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 256
"""Images with which a worth is compared."""


@dataclass
class Budget:
    """Questions for a stream of unknown end.

    Attributes:
        questions: to be asked in each period, 0 or more.
        period: images of a period, such as a day's, 1 or more. A full period spends exactly
            min(``questions``, ``period``); one that the stream leaves unfinished spends its part, about.
        seen: images of this period so far.
        asked: questions of this period so far.
        recent: worths of the last images, of earlier periods too.
    """

    questions: int
    period: int
    seen: int = 0
    asked: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def ask(self, worth: float, draw: float) -> bool:
        """True if the next image is to be asked; advances by this image.

        Args:
            worth: of the image, by a criterion; any finite number.
            draw: uniform random number in [0, 1), which decides between equal worths.
        """
        if self.seen == self.period:
            self.seen = self.asked = 0
        rate = (self.questions - self.asked) / (self.period - self.seen)
        self.recent.append(worth)
        above, equal = sum(w > worth for w in self.recent), sum(w == worth for w in self.recent)
        chosen = (above + draw * equal) / len(self.recent) < rate
        self.seen += 1
        self.asked += chosen
        return chosen
