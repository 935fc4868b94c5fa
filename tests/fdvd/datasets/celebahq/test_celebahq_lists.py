from __future__ import annotations

import builtins
import contextlib
import os
import pickle
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdvd.datasets.celebahq.lists import read_list, read_plain_pickle
from vl_backbone.common.errors import InputError


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.text(max_size=20) | st.integers(-(2**70), 2**70), max_size=40),
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
    as_tuple=st.booleans(),
)
def test_plain_lists_of_every_protocol_come_back(names, protocol, as_tuple):
    value = tuple(names) if as_tuple else names
    assert read_plain_pickle(pickle.dumps(value, protocol), "a.pickle") == value


def test_python_2_lists_come_back(tmp_path):
    """The published lists were written by Python 2: strings are byte strings there."""
    (tmp_path / "a.pickle").write_bytes(b"(lp0\nS'17'\np1\naS'29001'\np2\naI5\na.")
    (tmp_path / "b.pickle").write_bytes(b"\x80\x02]q\x00(U\x0217q\x01U\x0529001q\x02K\x05e.")
    assert read_list(tmp_path / "a.pickle") == read_list(tmp_path / "b.pickle") == ["17", "29001", "5"]


def test_text_and_json_lists(tmp_path):
    (tmp_path / "a.txt").write_text("1.jpg\n\n 2.jpg \r\n")
    (tmp_path / "a.json").write_text('["1.jpg", "2.jpg"]')
    assert read_list(tmp_path / "a.txt") == read_list(tmp_path / "a.json") == ["1.jpg", "2.jpg"]


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, subprocess.check_call, builtins.exec, builtins.open])
def test_a_hostile_pickle_does_not_run(tmp_path, protocol, function):
    canary = tmp_path / "canary"
    arguments = {
        os.system: (f"touch {canary}",),
        subprocess.check_call: (["touch", str(canary)],),
        builtins.exec: (f"open({str(canary)!r}, 'w')",),
        builtins.open: (str(canary), "w"),
    }[function]
    data = pickle.dumps(["1", Runs(function, *arguments)], protocol)
    path = tmp_path / "filenames_train.pickle"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"filenames_train\.pickle: this pickle is refused"):
        read_list(path)
    assert not canary.exists()
    with contextlib.suppress(TypeError, ValueError):
        pickle.loads(data)  # the canary works: Python's own reader does run it
    assert canary.exists()


def test_other_ways_to_run_code_are_refused(tmp_path):
    canary = tmp_path / "canary"
    programs = {
        "inst": f"(S'touch {canary}'\nios\nsystem\n.".encode(),
        "obj": b"(cos\nsystem\n" + f"S'touch {canary}'\no.".encode(),
        "global": b"cos\nsystem\n.",
        "persistent": b"Pfile\n.",
        "extension": b"\x82\x01.",
        "build": b"(lp0\n(dp1\nb.",
        "buffer": b"\x80\x05\x97.",
    }
    for name, data in programs.items():
        with pytest.raises(InputError, match="refused"):
            read_plain_pickle(data, name)
    assert not canary.exists()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_noise_never_gives_more_than_a_sentence(data):
    try:
        read_plain_pickle(data, "a.pickle")
    except InputError as error:
        assert str(error).startswith("a.pickle: ")


def test_cut_off_pickles_are_named():
    data = pickle.dumps([str(n) for n in range(300)])
    for end in range(len(data)):
        with pytest.raises(InputError, match=r"a\.pickle: the pickle is damaged"):
            read_plain_pickle(data[:end], "a.pickle")


@pytest.mark.parametrize("value", ["name", 5, ["a", ["b"]], ["a", ("b",)]])
def test_what_is_no_flat_list_is_named(tmp_path, value):
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match=r"a\.pickle: holds"):
        read_list(tmp_path / "a.pickle")


def test_a_list_that_contains_itself_is_named(tmp_path):
    loop: list = []
    loop.append(loop)
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(loop))
    with pytest.raises(InputError, match="flat list"):
        read_list(tmp_path / "a.pickle")


def test_wrong_text_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="dict"):
        read_list(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("[" * 100_000)
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("b.json", "b.txt", "missing.txt"):
        with pytest.raises(InputError, match=name):
            read_list(tmp_path / name)
