"""Users from tables, folders and embedded sets; halves by time; labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import wavfile

from lbt.artifacts import Images, write_images
from lbt.edge.users.people import SETS, People, person, read_people
from lbt.edge.users.run import _wanted
from lbt.errors import LbtError


def test_the_first_half_comes_before_the_second(people):
    found = person(people, "ann", 2)
    assert len(found.early) == len(found.later) == 15
    pixels = people.images.pixels[people.users == "ann"]
    assert torch.equal(found.early.images[0, 0], torch.from_numpy(pixels[0, ..., 0] / np.float32(127.5) - 1).float())
    assert [(found.early.labels == label).sum() for label in (-1, 0, 1, 2)] == [9, 2, 2, 2]
    assert (found.later.labels >= 0).all()
    backwards = People(people.images, people.users, -people.times)
    assert torch.equal(person(backwards, "ann", 0).early.images[0], found.later.images[-1])


def test_without_times_the_halves_have_the_same_classes(people):
    found = person(People(people.images, people.users), "ann", 100)
    assert torch.bincount(found.early.labels).tolist() == torch.bincount(found.later.labels).tolist() == [5, 5, 5]


def test_unknown_and_short_users(people):
    with pytest.raises(LbtError, match=r"unknown user 'anne'.*did you mean 'ann'"):
        person(people, "anne", 1)
    one = People(people.images.take(np.arange(1)), people.users[:1])
    with pytest.raises(LbtError, match=r"user 'ann': 1 image"):
        person(one, "ann", 1)


def test_a_table_with_users(people, tmp_path):
    columns = {"user": people.users.tolist(), "time": people.times.tolist()}
    path = tmp_path / "all.parquet"
    write_images(path, Images(people.images.pixels, people.images.labels, people.images.classes, columns))
    found = read_people(str(path))
    assert found.names() == people.names()
    assert np.array_equal(found.images.pixels, people.images.pixels)
    assert np.array_equal(found.times, people.times)
    write_images(path, people.images)
    with pytest.raises(LbtError, match=r"all.parquet: no column user"):
        read_people(str(path))
    columns["user"][3] = None
    write_images(path, Images(people.images.pixels, people.images.labels, people.images.classes, columns))
    with pytest.raises(LbtError, match=r"column user: 1 of 90 images have none"):
        read_people(str(path))


def test_a_folder_for_each_user(people, tmp_path):
    for number in range(90):
        name = people.images.classes[people.images.labels[number]]
        folder = tmp_path / f"user{number // 30}" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(people.images.pixels[number, ..., 0]).save(folder / f"{number}.png")
    found = read_people(str(tmp_path))
    assert found.names() == ["user0", "user1", "user2"]
    assert found.images.classes == ("bottom", "left", "top")
    assert len(found.images) == 90
    assert found.times is None


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS.names())
def test_embedded_users_are_whole_and_differ(name):
    found = read_people(name)
    assert len(found.images.classes) == 10
    means = [found.images.pixels[found.users == user].mean() for user in found.names()]
    assert len(set(means)) == len(means) >= 5
    for user in found.names():
        assert np.bincount(found.images.labels[found.users == user], minlength=10).min() >= 2


def test_nothing_there():
    with pytest.raises(LbtError, match=r"unknown set of users, or file or folder 'font'.*did you mean 'fonts'"):
        read_people("font")


def test_speakers_by_the_names_of_their_recordings(tmp_path):
    random = np.random.default_rng(0)
    for user in ("jackson", "theo_b"):
        for label in range(3):
            for number in range(4):
                samples = (random.normal(0, 3000, 4000) * (label + 1) / 3).astype(np.int16)
                wavfile.write(tmp_path / f"{label}_{user}_{number}.wav", 8000, samples)
    found = read_people(str(tmp_path), name="{label}_{user}_{index}")
    assert found.names() == ["jackson", "theo_b"]
    assert found.images.classes == ("0", "1", "2")
    assert found.images.pixels.shape == (24, 64, 64, 1)
    assert len(person(found, "theo_b", 1).early.labels) == 6


def test_folders_of_people_without_a_class_in_common(tmp_path):
    for user, label in (("ann", "cup"), ("ann", "mug"), ("ben", "pan"), ("ben", "pot")):
        (tmp_path / user / label).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (16, 16), 60 * number).save(tmp_path / user / label / f"{number}.png")
    found = read_people(str(tmp_path))
    assert found.names() == ["ann", "ben"]
    assert found.images.classes == ("cup", "mug", "pan", "pot")


def test_times_that_are_missing_for_some_are_told(people, tmp_path, capsys):
    times = [None, *people.times.tolist()[1:]]
    columns = {"user": people.users.tolist(), "time": times}
    write_images(
        tmp_path / "t.parquet", Images(people.images.pixels, people.images.labels, people.images.classes, columns)
    )
    assert read_people(str(tmp_path / "t.parquet")).times is None
    assert f"column time: 1 of {len(times)} images have none; the halves are stratified" in capsys.readouterr().err


def test_users_with_one_image_are_left_out_unless_named(people, capsys):
    users = people.users.copy()
    users[0] = "zoe"
    some = People(people.images, users, people.times)
    assert _wanted(some, ()) == people.names()
    assert "users with fewer than 2 images are left out: zoe; their images still" in capsys.readouterr().err
    assert _wanted(some, ("ann",)) == ["ann"]
    assert capsys.readouterr().err == ""
    with pytest.raises(LbtError, match="user 'zoe': 1 image; accepted: 2 or more"):
        _wanted(some, ("ann", "zoe"))
    alone = People(people.images.take(np.arange(2)), np.array(["x", "y"], dtype=object))
    with pytest.raises(LbtError, match="user 'x': 1 image"):
        _wanted(alone, ())
