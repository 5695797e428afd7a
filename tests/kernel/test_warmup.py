"""`python -m ml4t_kernel.warmup`: what it does, says and returns."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ml4t_kernel import entries, modes, native, warmup
from ml4t_kernel.compile import jit

compiled = pytest.mark.skipif(modes.INTERPRETED, reason="nothing is compiled")


def by_numba(hits):
    """A kernel as `compiled.load` gives it, loaded (1) or compiled (0)."""
    return SimpleNamespace(function=SimpleNamespace(stats=SimpleNamespace(cache_hits={"signature": hits})))


def test_with_an_object_there_is_nothing_to_do(monkeypatch, capsys):
    kernel = object.__new__(native.NativeKernel)
    kernel.level = "x86-64-v3"
    monkeypatch.setattr(entries, "runner", lambda: kernel)
    assert warmup.main() == 0
    assert "nothing to compile: the package holds the kernel for x86-64-v3" in capsys.readouterr().out


@compiled
@pytest.mark.parametrize(("hits", "word"), [(0, "compiled into"), (1, "loaded from")])
def test_the_place_of_the_cache_is_told(monkeypatch, capsys, hits, word, tmp_path):
    monkeypatch.setattr(entries, "runner", lambda: by_numba(hits))
    monkeypatch.setattr(jit, "_cache_roots", lambda: iter([tmp_path]))
    assert warmup.main() == 0
    said = capsys.readouterr().out
    assert said.startswith(word) and str(Path(tmp_path)) in said


@compiled
def test_what_is_not_kept_is_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(entries, "runner", lambda: by_numba(0))
    monkeypatch.setattr(jit, "_cache_roots", lambda: iter([]))
    assert warmup.main() == 1
    assert "not kept" in capsys.readouterr().err


@pytest.mark.skipif(not modes.INTERPRETED, reason="something is compiled")
def test_the_interpreter_needs_nothing(capsys):
    assert warmup.main() == 0
    assert "interpreted" in capsys.readouterr().out
