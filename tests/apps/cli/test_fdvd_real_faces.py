from __future__ import annotations

import numpy as np
import pytest

from apps.fdvd_tools import fdvd_tools
from fdvd.datasets.builder import BuildSettings, build_fdvd
from fdvd.media.video import probe, read_frames_at
from gan_mapping import load_generator
from tests.apps.cli.generated_clips import RATE, SIZE, face_of_seed, true_quad, write_talk

pytestmark = pytest.mark.slow

FRAMES = 10
# By the labels of their seeds: a smiling man with glasses, hat and black hair; a smiling woman with black hair.
MAN, WOMAN = 1645, 1617


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    generator = load_generator("mobile-stylegan-ffhq")
    folder = tmp_path_factory.mktemp("faces")
    for name, seed in (("01-01-04-01-01-01-01", MAN), ("01-01-03-01-01-01-22", WOMAN)):
        write_talk(folder / "ravdess" / f"{name}.mp4", face_of_seed(generator, seed), FRAMES)
    return build_fdvd(folder / "ravdess", folder / "fdvd", fdvd_tools, BuildSettings(readings=3))


def test_clips_are_full_size_with_sound(built):
    assert [row["split"] for row in built.rows] == ["test", "train"]
    for row in built.rows:
        info = probe(built.out / row["clip"])
        assert (info.width, info.height, info.rate, info.frames) == (1024, 1024, RATE, FRAMES)
        assert info.audio == ("aac",) and row["audio"] == "copied"
        assert row["source_size"] == list(SIZE) and row["found"] == FRAMES


def test_crops_are_where_the_faces_are(built):
    """The generator's faces are aligned as FFHQ's are, so the true crop is the square that was pasted."""
    for row in built.rows:
        track = np.load(built.out / row["track"])
        for number in range(FRAMES):
            error = np.linalg.norm(track[number] - true_quad(number), axis=1).max()
            assert error < 0.08 * 520


def test_the_crop_moves_with_the_face(built):
    """Nothing but the wall's shadow may change between the first and the last aligned frame."""
    for row in built.rows:
        first, last = read_frames_at(built.out / row["clip"], [0, (FRAMES - 1) / float(RATE)]).astype(int)[
            :, 256:768, 256:768
        ]
        still = np.abs(first - last).mean()
        shifted = np.abs(first - np.roll(first, 12, axis=1)).mean()
        assert still < shifted


def test_the_judge_reads_what_the_labels_say(built):
    woman, man = (set(row["facts"]) for row in built.rows)
    assert {"male", "sad", "speaks", "black_hair", "glasses", "hat"} <= man
    assert {"female", "happy", "speaks", "black_hair", "no_glasses", "no_hat"} <= woman
    # He plays sadness, so that his smile is not mentioned.
    assert not {"smile", "broad_smile", "blond_hair", "beard"} & man and not {"beard", "blond_hair", "glasses"} & woman
