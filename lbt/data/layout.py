"""The meaning of folders above an image: a class, a user, a part of the user's own split.

A layout is those words from the outside in, such as ``user/class``. Without one given, folders called as splits are
the split, and the other level is classes, unless folders in folders repeat: ``ann/cup``, ``ann/mug``, ``ben/cup`` are
users and their classes. That is a guess from names, so that a line says both readings and the key that decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from lbt.data.listing import SPLIT_NAMES, some
from lbt.errors import LbtError

WORDS = ("class", "user", "split")
UNLABELLED = "_unlabelled"
SAME, ALIKE = 0.7, 0.4
"""Mean share of all names of the second level that a folder of the first one has: users, and perhaps users."""
_PERSON = re.compile(
    r"(u|s|p|id|user|subj|subject|speaker|spk|person|participant|patient|writer|client)[-_ ]?\d+", re.I
)

Folders = tuple[str, ...]
"""Names of the folders above a file, from the root on."""


@dataclass(frozen=True)
class Layout:
    """The words of the levels, and lines on how they were found."""

    levels: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    def of(self, folders: Folders) -> dict[str, str]:
        """Word → folder. A file that lies less deep lacks the inner ones; ``_unlabelled`` is no class."""
        found = dict(zip(self.levels, folders, strict=False))
        return {word: name for word, name in found.items() if (word, name) != ("class", UNLABELLED)}


def parse(text: str) -> tuple[str, ...]:
    """The levels of ``user/class``.

    Raises:
        ValueError: another word, or one twice.
    """
    levels = tuple(text.split("/"))
    if not set(levels) <= set(WORDS) or len(set(levels)) < len(levels):
        raise ValueError(f"found {text!r}; accepted: different ones of {', '.join(WORDS)}, such as user/class")
    return levels


def recognise(files: Collection[Folders], folders: Collection[Folders], where: str) -> Layout:
    """The layout that names and depths of folders speak for.

    Args:
        files: of each image, the folders above it.
        folders: every folder, empty ones too.
        where: the path, for messages.

    Raises:
        LbtError: two folders are for one part of the split.
    """
    outer = sorted({folder[0] for folder in folders})
    if _are_splits(outer):
        check_splits(outer, where)
        inner = _of_people([file[1:] for file in files if len(file) > 1], where)
        return Layout(("split", *inner.levels), inner.notes)
    return _of_people(files, where) if outer else Layout(())


def check_splits(names: Sequence[str], where: str) -> None:
    """Refuse two names for one part of the split."""
    found: dict[str, str] = {}
    for name in names:
        if (part := SPLIT_NAMES.get(name.lower(), name)) in found:
            raise LbtError(f"{where}: folders {found[part]} and {name} are both for the {part} split")
        found[part] = name


def _are_splits(names: Collection[str]) -> bool:
    """True if all are called as splits are, and one of them is for training."""
    parts = {SPLIT_NAMES.get(name.lower()) for name in names}
    return None not in parts and "train" in parts


def _of_people(files: Collection[Folders], where: str) -> Layout:
    """``class``, or where second levels repeat ``user/class`` or ``class/user``; with a split of its own inside."""
    inner: dict[str, set[str]] = {}
    for file in files:
        if file:
            inner.setdefault(file[0], set()).update(file[1:2])
    names = sorted(set().union(*inner.values()) - {UNLABELLED})
    deep = [file for file in files if len(file) > 1]
    if len(inner) < 2 or len(deep) < 0.9 * len([file for file in files if file]):
        return Layout(("class",))
    if _are_splits(names):
        return Layout(("user", "split", "class") if any(len(file) > 2 for file in files) else ("class", "split"))
    shared = sum(len(found - {UNLABELLED}) / len(names) for found in inner.values()) / len(inner) if names else 0
    if len(names) < 2 or shared < ALIKE:
        return Layout(("class",))
    outer = sorted(inner)
    as_users = f"layout: user/class reads users {some(outer)} and classes {some(names)}"
    as_classes = f"layout: class reads classes {some(outer)}"
    if shared < SAME:
        line = f"{where}: folders in folders have names in common; read as classes {some(outer)}; {as_users}"
        return Layout(("class",), (line,))
    if all(map(_PERSON.fullmatch, names)) and not all(map(_PERSON.fullmatch, outer)):
        line = f"{where}: read as classes {some(outer)} and users {some(names)} (layout: class/user); {as_users}"
        return Layout(("class", "user"), (line,))
    line = f"{where}: read as users {some(outer)} and classes {some(names)} (layout: user/class); {as_classes}"
    return Layout(("user", "class"), (line,))
