"""Every example runs and shows what it says, and so does the README's code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# what a reader is to learn from each, and so has to be in what it prints
SHOWS = {
    "01_quickstart": ["target_mean(district)", "Why others were not"],
    "02_pipeline": ["know their own row"],
    "03_store_and_apply": ["other process: True", "lightgbm: False"],
    "04_coming_from_openfe": ["in a batch, the same: True"],
    "05_your_own_operator": ["hypot(x;y)", "[5.0, 1.0]"],
    "06_groups_and_time": ["groups=patient", "TimeSeriesSplit"],
    "07_rank_columns": ["cross(f3&f8)']", "noise: []", "all rows: True"],
    "08_select_columns": ["'site', 'age']", "groups: ['dose', 'dose_mg'", "float32"],
    "09_csv_to_submission": ["city (str)", "id,price", "never saw"],
    "10_whole_chain": ["after disco", "made of noise: []", "the whole chain: 0."],
    "11_truncate_in_grid_search": ["one search per fold", "same columns: True"],
    "12_linear_model": ["city=(missing)", "city that fit did not see"],
}


def run(path, folder):
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,  # with kernels still to be compiled
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, tmp_path):
    done = run(path, tmp_path)
    for text in SHOWS[path.stem]:
        assert text in done.stdout
    assert not done.stderr
    assert not list(tmp_path.iterdir()), "an example leaves files behind"


def test_numbering():
    assert [path.stem for path in EXAMPLES] == sorted(SHOWS)
    assert [int(path.stem[:2]) for path in EXAMPLES] == list(
        range(1, len(EXAMPLES) + 1)
    )


def test_options_of_openfe_keep_ten_features(tmp_path):
    done = run(ROOT / "examples" / "04_coming_from_openfe.py", tmp_path)
    line = re.search(r"options of openfe .*", done.stdout)
    assert line and line[0].count("(10)") == 3


def test_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert code
    space: dict[str, object] = {}
    for block in code:
        exec(compile(block, "README.md", "exec"), space)
    assert space["X_new"].shape[0] == 3
    assert "mass/volume" in space["X_new"].columns


def test_readme_names_commands_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)  ", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"\]\(([^):#]+)\)", text):
        assert (ROOT / path).exists(), path
