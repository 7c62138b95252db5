"""The file of labels that goes with a file of images, by its name. Light: no import of NumPy."""

from __future__ import annotations

from pathlib import Path

_WORDS = (("images", "labels"), ("x", "y"), ("X", "y"))


def labels_beside(path: Path) -> Path | None:
    """``NAME_labels.npy``, or the name with ``images`` (``x``) replaced by ``labels`` (``y``); for idx files that too.

    None where there is no such file, or the format keeps its labels in the same file.
    """
    if ".npy" in path.suffixes:
        stem = path.stem
        found = [path.with_name(f"{stem}_labels.npy")]
        for images, labels in _WORDS:
            if stem == images or stem.startswith(f"{images}_") or stem.endswith(f"_{images}"):
                found.append(path.with_name(path.name.replace(images, labels, 1)))
    elif "images" in path.name and "idx3" in path.name:
        found = [path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))]
    else:
        found = []
    return next((one for one in found if one != path and one.is_file()), None)
