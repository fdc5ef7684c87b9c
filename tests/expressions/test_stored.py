"""Stored features of earlier format versions go on working."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from featurekit import OpenFE, OutRank
from featurekit.expressions import parse

FILES = Path(__file__).parent / "files"


def expected(name):
    return json.loads((FILES / f"{name}_expected.json").read_text())


def rows_of(content):
    frame = pd.DataFrame(content["rows"])
    return frame.assign(t=pd.to_datetime(frame["t"])) if "t" in frame else frame


def test_features_of_version_1_give_the_values_they_gave():
    content = expected("openfe_version_1")
    maker = OpenFE.from_json(FILES / "openfe_version_1.json")
    assert maker.features_ == [parse(name) for name in content["names"]]
    made = maker.transform(rows_of(content))
    for node, values in zip(maker.features_, content["values"], strict=True):
        ours = made[node.name]
        if isinstance(ours.dtype, pd.CategoricalDtype):
            ours = ours.cat.codes.where(ours.notna())
        np.testing.assert_allclose(
            ours.astype(float), np.array(values, float), rtol=1e-12, err_msg=node.name
        )


def test_the_features_of_version_1_cover_the_operators():
    maker = OpenFE.from_json(FILES / "openfe_version_1.json")
    used = {getattr(n, "op", "") for node in maker.features_ for n in node.walk()}
    assert len(used) > 35


def test_a_ranking_of_version_1_gives_the_crosses_it_gave():
    content = expected("outrank_version_1")
    ranker = OutRank.from_json(FILES / "outrank_version_1.json")
    assert [node.name for node in ranker.crosses_] == ["cross(a&`b b`)"]
    made = ranker.transform(rows_of(content))["cross(a&`b b`)"]
    codes = made.cat.codes.where(made.notna())
    theirs = [np.nan if v is None else float(v) for v in content["cross"]]
    np.testing.assert_array_equal(codes, theirs)
