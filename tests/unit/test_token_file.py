"""The server's own token: made once, for its owner alone."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from windlass.control.token_file import write_token
from windlass.errors import BootError


def test_the_token_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    before = os.umask(0)
    try:
        token = write_token(file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) >= 43, "32 random bytes"
    assert write_token(file) == token == file.read_text().strip()
    assert list(tmp_path.iterdir()) == [file]
    assert write_token(tmp_path / "other") != token


def test_two_that_make_the_token_at_once_agree_on_one(tmp_path: Path) -> None:
    for round_ in range(30):
        file = tmp_path / f"token-{round_}"
        ready = threading.Barrier(4)
        tokens: list[str] = []

        def make(file: Path = file, ready: threading.Barrier = ready, tokens: list[str] = tokens) -> None:
            ready.wait()
            tokens.append(write_token(file))

        makers = [threading.Thread(target=make) for _ in range(4)]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        assert len(tokens) == 4
        assert set(tokens) == {file.read_text().strip()}


def test_what_a_crash_left_half_made_does_not_stop_the_next_start(tmp_path: Path) -> None:
    (tmp_path / f"token.{os.getpid()}").write_text("half")
    assert write_token(tmp_path / "token") == (tmp_path / "token").read_text().strip()


def test_an_empty_token_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(BootError, match="is empty"):
        write_token(tmp_path / "token")
