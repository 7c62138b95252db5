"""Coverage (k-centre greedy, Sener & Savarese 2018, arXiv 1708.00489, image by image): far from all asked so far.

1 − the highest cosine similarity of the image's feature to those of the asked images.
"""

from __future__ import annotations

from lbt.edge.users.questions import Look


def worth(look: Look) -> float:
    """Cosine distance to the nearest asked image, from 0 to 2; 1 as long as none was asked."""
    from torch.nn.functional import cosine_similarity

    if not len(look.asked):
        return 1.0
    return 1.0 - float(cosine_similarity(look.asked, look.feature[None]).amax())
