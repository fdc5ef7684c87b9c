"""Stored features: of earlier format versions, damaged, made to do harm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from featurekit import OpenFE, OutRank
from featurekit.data.columns import NumericColumn, Table
from featurekit.exceptions import FeatureFileError, SchemaError
from featurekit.expressions import Expression, fit, parse
from featurekit.expressions.export import checksum, fitted_to_dict
from featurekit.expressions.operators.groups import N_QUANTILES

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
    assert "cross(a&`b b`)" in set(ranker.scores_["feature"])
    made = ranker.transform(rows_of(content))["cross(a&`b b`)"]
    codes = made.cat.codes.where(made.notna())
    theirs = [np.nan if v is None else float(v) for v in content["cross"]]
    np.testing.assert_array_equal(codes, theirs)


# --- files that are damaged, or made to do harm


def openfe_file(path):
    """A file of every kind of state, and what it gives."""
    maker = OpenFE.from_json(FILES / "openfe_version_1.json")
    maker.to_json(path)
    return maker


def made_by(maker, rows):
    """All values as one array, categories as codes."""
    frame = maker.set_params(keep_input=False).transform(rows)
    columns = [
        c.cat.codes if isinstance(c.dtype, pd.CategoricalDtype) else c
        for _, c in frame.items()
    ]
    return np.column_stack([np.asarray(c, float) for c in columns])


def test_a_file_of_version_2_gives_the_same(tmp_path):
    rows = rows_of(expected("openfe_version_1"))
    maker = openfe_file(tmp_path / "f.json")
    content = json.loads((tmp_path / "f.json").read_text())
    assert content["format_version"] == 2
    assert "names" not in content
    again = OpenFE.from_json(tmp_path / "f.json")
    np.testing.assert_array_equal(made_by(again, rows), made_by(maker, rows))
    again.set_params(keep_input=True).to_json(tmp_path / "g.json")
    assert (tmp_path / "f.json").read_text() == (tmp_path / "g.json").read_text()


def test_the_layout_of_a_file_is_free(tmp_path):
    maker = openfe_file(tmp_path / "f.json")
    content = json.loads((tmp_path / "f.json").read_text())
    text = json.dumps(content, sort_keys=True, indent=4)
    (tmp_path / "f.json").write_text(text)
    assert OpenFE.from_json(tmp_path / "f.json").features_ == maker.features_


def with_checksum(content):
    return content | {"checksum": checksum(content)}


def refused(path, content, what):
    path.write_text(json.dumps(content))
    with pytest.raises(FeatureFileError, match=what) as caught:
        OpenFE.from_json(path)
    assert str(path) in str(caught.value)


def state_of(content, name):
    """The stored feature of this name."""
    found = [f for f in content["features"] if name_of(f) == name]
    return found[0]


def name_of(feature):
    return Expression.from_dict(feature["expression"]).name


def array(values, dtype="<f8", shape=None):
    return {"dtype": dtype, "shape": shape or [len(values)], "values": list(values)}


def test_starts_beyond_the_values_are_refused(tmp_path):
    """The kernel of ranks would read memory that is not its own."""
    openfe_file(tmp_path / "f.json")
    content = json.loads((tmp_path / "f.json").read_text())
    state = state_of(content, "rank(x|city)")["state"]["arrays"]
    for starts in ([0], [0, 10**9], [0, 1, 2, 3, 4, -1], [0, 0, 0, 0, 0, 2**40]):
        state["starts"] = array(starts, "<i8")
        refused(
            tmp_path / "f.json", with_checksum(content), r"rank\(x\|city\): its starts"
        )


def test_what_an_array_claims_is_not_allocated(tmp_path):
    openfe_file(tmp_path / "f.json")
    content = json.loads((tmp_path / "f.json").read_text())
    feature = state_of(content, "mean(x|month(t))")
    for claimed in (
        {"dtype": "<U500000000", "shape": [1], "values": ["a"]},
        {"dtype": "<f8", "shape": [1 << 60], "base64": "AAAA"},
        {"dtype": "<f8", "shape": [1 << 40, 1 << 40], "values": [1.0]},
        {"dtype": "O", "shape": [1], "values": [1.0]},
        {"dtype": "<f8", "shape": [-1], "values": []},
        {"dtype": "<f8", "shape": [True], "values": [1.0]},
        {"dtype": "<f8", "shape": [2], "values": [1.0, 1e999]},
        {"dtype": "<f8", "shape": [2], "values": [1.0, "x"]},
        {"dtype": "<i8", "shape": [1], "values": [1 << 70]},
    ):
        feature["state"] = {"array": claimed}
        text = json.dumps(content | {"format_version": 1}).replace("Infinity", "1e999")
        (tmp_path / "f.json").write_text(text)
        with pytest.raises(FeatureFileError, match=r"in mean\(x\|month\(t\)\)"):
            OpenFE.from_json(tmp_path / "f.json")


def nested(n):
    tree = {"column": "x"}
    for _ in range(n):
        tree = {"op": "log", "args": [tree]}
    return tree


EXPRESSION = ["features", 0, "expression"]
WRONG = {
    "unknown column": (
        ["features", 0],
        {"expression": {"column": "w"}},
        "in w: the schema has no such column",
    ),
    "deep": (["features", 0, "expression"], nested(200), "nested too deeply"),
    "unknown operator": (
        EXPRESSION,
        {"op": "cube", "args": [{"column": "x"}]},
        "no operator 'cube'.*registered",
    ),
    "other part": (
        ["features", 0, "children", 0, "expression"],
        {"column": "z"},
        "another expression",
    ),
    "wrong kind": (
        ["features", 0],
        {
            "expression": {"op": "log", "args": [{"column": "city"}]},
            "children": [{"expression": {"column": "city"}}],
        },
        "a numeric is needed",
    ),
    "state of none": (
        ["features", 0, "state"],
        {"array": array([1.0])},
        "learns nothing",
    ),
    "no features": (["features"], None, "'features' is None"),
    "twice": (["features", 1], "same", "a feature twice"),
    "kind of column": (["schema", "columns", 0, "kind"], "text", "'text' of dtype"),
    "categories": (["schema", "columns", 3, "categories", 0], 5, "is no text"),
    "unsorted": (["schema", "columns", 3, "categories"], ["b", "a"], "sorted"),
    "extra": (["extra_columns"], "maybe", "extra_columns"),
    "flag": (["keep_input"], 1, "keep_input"),
    "classes": (["classes"], ["a", 1], "classes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_contents_that_no_fit_gives_are_refused(case, tmp_path):
    openfe_file(tmp_path / "f.json")
    content = json.loads((tmp_path / "f.json").read_text())
    place, value, what = WRONG[case]
    at = content
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = content["features"][0] if value == "same" else value
    refused(tmp_path / "f.json", with_checksum(content), what)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"format": ' * 50_000,
        b"\xff\xfe{}",
        b'{"format": "featurekit.features", "format_version": NaN}',
        b'{"format": "featurekit.features", "format_version": "2"}',
        b'{"format": "featurekit.features", "format_version": 1}',
        b"[]",
        b"",
        b"1" * 10_000,
    ],
)
@pytest.mark.parametrize("estimator", [OpenFE, OutRank])
def test_what_is_no_file_of_features_is_refused(content, estimator, tmp_path):
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(FeatureFileError, match=re.escape(str(tmp_path / "f.json"))):
        estimator.from_json(tmp_path / "f.json")


def test_a_file_that_is_not_there_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        OpenFE.from_json(tmp_path / "none.json")


def test_ranks_store_quantiles_of_large_groups():
    """Their number does not grow with the rows, and ranks stay what they were."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=50_000)
    k = (np.arange(50_000) % 50_000 >= 49_000).astype(float)  # one large, one small
    table = Table.of({"x": NumericColumn(x), "k": NumericColumn(k)})
    fitted = fit(parse("rank(x|k)"), table)
    values, starts = fitted.state["values"], fitted.state["starts"]
    assert np.diff(starts)[:2].tolist() == [N_QUANTILES, 1000]
    assert len(values) == 2 * N_QUANTILES
    new = Table.of(
        {"x": NumericColumn(np.linspace(-4, 4, 501)), "k": NumericColumn(np.zeros(501))}
    )
    exact = (np.searchsorted(np.sort(x[k == 0]), np.linspace(-4, 4, 501)) + 1) / 49_001
    np.testing.assert_allclose(fitted.values(new), exact, atol=0.002)
    alone = np.sort(x[k == 1])
    np.testing.assert_array_equal(values[starts[1] : starts[2]], alone)


def test_values_beyond_float64_are_missing_and_stored(tmp_path):
    x = np.array([1e308, 1e308, 1e308, -1e308, 1.0, 2.0])
    k = np.array([0.0, 0, 0, 0, 1, 1])
    table = Table.of({"x": NumericColumn(x), "k": NumericColumn(k)})
    with np.errstate(all="ignore"):
        fitted = fit(parse("std(x|k)"), table)
    assert np.isnan(fitted.values(table)[:4]).all()
    assert np.isfinite(fitted.values(table)[4:]).all()
    json.dumps(fitted_to_dict(fitted), allow_nan=False)


# --- a thousand damaged files


def openfe_case(path):
    openfe_file(path)
    return OpenFE, lambda maker: made_by(maker, rows_of(expected("openfe_version_1")))


def outrank_case(path):
    OutRank.from_json(FILES / "outrank_version_1.json").to_json(path)
    rows = rows_of(expected("outrank_version_1"))

    def values(ranker):
        frame = ranker.transform(rows)
        return frame.astype(object).where(frame.notna(), None).to_numpy()

    return OutRank, values


CASES = {"OpenFE": openfe_case, "OutRank": outrank_case}


def damaged_bytes(raw, rng):
    """Bytes flipped, cut out, doubled, or the file cut short."""
    at, way = int(rng.integers(len(raw))), int(rng.integers(4))
    if way == 0:
        return raw[:at]
    if way == 1:
        return raw[:at] + bytes([raw[at] ^ (1 << int(rng.integers(8)))]) + raw[at + 1 :]
    end = at + int(rng.integers(1, 40))
    return raw[:at] + (raw[at:end] * 2 if way == 2 else b"") + raw[end:]


@pytest.mark.parametrize("case", CASES)
def test_damaged_bytes_give_the_same_or_are_refused(case, tmp_path):
    path = tmp_path / "f.json"
    estimator, values = CASES[case](path)
    raw = path.read_bytes()
    right = values(estimator.from_json(path))
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(250):
        path.write_bytes(damaged_bytes(raw, rng))
        try:
            again = estimator.from_json(path)
        except (FeatureFileError, SchemaError):
            n_refused += 1
        else:  # white space
            np.testing.assert_array_equal(values(again), right)
    assert n_refused > 150


OTHER = [
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**63, -(2**70), 0.5, -1e300, 1e308),
    *("", "x", "city", "<f8", "<i8", "<U9", "log", "mean", "inf", "nan", "OutRank"),
    *([], {}, [0], [[]], ["x"], {"column": "x"}, {"column": "city"}, {"literal": "a"}),
    *(array([1.0, 2.0]), array([1, 2], "<i8"), {"array": array([0.0] * 5)}),
]


def places(node, way=()):
    """Where values are in nested lists and dictionaries."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*way, key)
        if isinstance(value, dict | list):
            yield from places(value, (*way, key))


def replaced(content, rng, ways):
    """The content with a value replaced, removed or taken from another place."""
    content = json.loads(json.dumps(content))
    way = ways[int(rng.integers(len(ways)))]
    at = content
    for key in way[:-1]:
        at = at[key]
    value, kind = at[way[-1]], int(rng.integers(6))
    if kind == 0 and isinstance(at, dict):
        del at[way[-1]]
    elif kind == 1 and isinstance(value, list) and value:
        at[way[-1]] = value + value[:1] if rng.random() < 0.5 else value[:-1]
    elif kind == 2 and type(value) in (int, float):
        at[way[-1]] = [value + 1, -value, value * 2**40, value + 0.5][rng.integers(4)]
    elif kind == 3:
        other = ways[int(rng.integers(len(ways)))]
        found = content
        for key in other:
            found = found[key] if not isinstance(found, str) else found
        at[way[-1]] = json.loads(json.dumps(found))
    else:
        at[way[-1]] = OTHER[int(rng.integers(len(OTHER)))]
    return content


@pytest.mark.parametrize("case", CASES)
def test_replaced_values_are_refused_or_harmless(case, tmp_path):
    """With a checksum that fits: the structure itself is checked."""
    path = tmp_path / "f.json"
    estimator, values = CASES[case](path)
    content = json.loads(path.read_text())
    right = values(estimator.from_json(path))
    rng = np.random.default_rng(1)
    n_refused = 0
    ways = list(places(content))
    for _ in range(250):
        changed = replaced(content, rng, ways)
        path.write_text(json.dumps(with_checksum(changed)))
        try:
            again = estimator.from_json(path)
        except (FeatureFileError, SchemaError):
            n_refused += 1
            continue
        try:
            ours = values(again)
        except (SchemaError, ValueError) as error:  # other columns than these rows have
            assert "column" in str(error) or "feature" in str(error)
        else:
            assert len(ours) == len(right)
    assert n_refused > 120
