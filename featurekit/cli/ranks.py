"""A ranking on the screen and in files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from featurekit.cli import tables
from featurekit.cli.common import STDOUT, say
from featurekit.cli.files import write_scores

if TYPE_CHECKING:
    from typing import TextIO

    import pandas as pd

    from featurekit import OutRank

SHOWN = 20
N_NOTES = 10
N_DRIFTED = 10
DRIFT_Q = 0.05

SINGLES = "feature_singles.tsv"
# names that OutRank has for what is ranked by: those with MI in them are scaled
_HEURISTICS = {
    "ami": "MI-numba-randomized",
    "excess": "MI-numba-randomized",
    "mi": "MI",
}
_CONTROL = "CONTROL-"


def is_singles(path: Path | None) -> bool:
    """Whether a file is to be in the layout of OutRank's ``feature_singles.tsv``."""
    return path is not None and path.name == SINGLES


def beside(path: Path) -> Path:
    """Where the drift is written."""
    return path.with_name(f"{path.stem}.drift{path.suffix}")


class Ranking:
    """A fitted ranker, ready to be shown.

    Parameters
    ----------
    ranker : OutRank
    target : str
    controls : bool
        Whether controls of noise were asked for, and not only put there for a file.
    seconds : float
        That fit took.
    """

    def __init__(
        self, ranker: OutRank, target: str, controls: bool, seconds: float
    ) -> None:
        self.ranker = ranker
        self.target = target
        self.seconds = seconds
        columns = ranker.feature_names_in_
        scores = ranker.scores_
        single = scores["order"] == 1
        known = scores["feature"].isin(columns)
        if not controls:
            scores = scores[known | ~single]
        self.scores = scores.reset_index(drop=True)
        chosen = columns[ranker.get_support()]
        crosses = [node.name for node in ranker.crosses_]
        name = self.scores["feature"]
        alone = self.scores["order"] == 1
        self.kept = (alone & name.isin(chosen)) | (~alone & name.isin(crosses))

    # -- files ---------------------------------------------------------------------

    def write(self, path: Path, stdout: TextIO) -> None:
        """Write all scores, and the drift beside them."""
        scores = self.scores.assign(kept=self.kept)
        write_scores(_as_singles(self) if is_singles(path) else scores, path, stdout)
        if self.ranker.drift_by is not None and path != STDOUT:
            write_scores(self.ranker.drift_, beside(path), stdout)

    # -- on the screen -------------------------------------------------------------

    def show(self) -> None:
        """Say what was ranked, how it went, and what is odd."""
        ranker = self.ranker
        speed = ranker.n_rows_ / max(self.seconds, 1e-9)
        say(
            f"{ranker.n_rows_:,} rows, {ranker.n_features_in_:,} columns; "
            f"{self.seconds:.3g} s, {speed:,.0f} rows/s"
        )
        say(f"target {self._said_of_target()}")
        self._show_scores()
        if ranker.drift_by is not None:
            _show_drift(ranker.drift_, ranker.drift_by)
        self._show_odd()

    def _said_of_target(self) -> str:
        ranker = self.ranker
        entropy = f"entropy {ranker.target_entropy_:.4g} nats"
        if ranker.task_ == "regression":
            n_bins = len(ranker.class_counts_)
            return f"{self.target!r}: numbers in {n_bins} bins, {entropy}"
        labels = list(ranker.classes_)
        if len(labels) > 2:
            return f"{self.target!r}: {len(labels):,} classes, {entropy}"
        share = ranker.class_counts_[1] / ranker.n_rows_
        return f"{self.target!r}: {share:.4g} of rows are {labels[1]}, {entropy}"

    def _show_scores(self) -> None:
        ranker, scores = self.ranker, self.scores
        crosses = int((scores["order"] > 1).sum())
        score = ranker.redundancy or ranker.criterion
        other = "excess" if score == "ami" and not crosses else "ami"
        most = ranker.n_features_to_select
        here = [
            i
            for i in range(len(scores))
            if i < (most or SHOWN) or (most is not None and self.kept[i])
        ]
        heads = [
            "rank", "score" if crosses else score, other, "z", "q", "values", "filled",
            "kept", "feature",
        ]  # fmt: skip
        rows = [
            (
                str(i + 1), _number(line.score), _number(getattr(line, other)),
                f"{line.gain_z:.1f}", f"{line.q:.2g}", f"{line.cardinality:,.0f}",
                _percent(line.coverage), "yes" if self.kept[i] else "no", line.feature,
            )
            for i, line in enumerate(scores.itertuples(index=False))
            if i in here
        ]  # fmt: skip
        tables.show(heads, rows, left=("kept",))
        n_columns, n_crosses = int(ranker.get_support().sum()), len(ranker.crosses_)
        if crosses:
            say("of crosses z and q are of what they add to their parts")
        also = f" and {n_crosses:,} of {crosses:,} crosses" if crosses else ""
        rest = len(scores) - len(here)
        more = f" ({rest:,} more lines are not shown)" if rest else ""
        say(f"kept: {n_columns:,} of {ranker.n_features_in_:,} columns{also}{more}")

    def _show_odd(self) -> None:
        ranker = self.ranker
        noted = ranker.quality_[ranker.quality_["note"] != ""]
        for line in noted.head(N_NOTES).itertuples():
            say(f"odd: {line.feature!r}: {line.note}")
        if len(noted) > N_NOTES:
            say(
                f"odd: {len(noted) - N_NOTES:,} more columns are constant, ids or empty"
            )
        if not ranker.stopped_:
            return
        parts = ["crosses"] if ranker.order > 1 else []
        parts += ["the choice by redundancy"] if ranker.redundancy else []
        if parts:
            cut = f"; {' and '.join(parts)} only as far as it got"
            say(f"cut short ({ranker.stopped_}): all columns are counted{cut}")
        else:
            say(f"{ranker.stopped_}; all columns are counted all the same")


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _percent(share: float) -> str:
    """100% is said of nothing less."""
    return f"{math.floor(1000 * share) / 10:g}%"


def _show_drift(drift: pd.DataFrame, by: str) -> None:
    """The columns that changed most, each in its worst shard."""
    shards = drift[drift["feature"] == drift["feature"].iloc[0]]["shard"]
    worst = _worst(drift[drift["feature"] != by])
    say(
        f"drift by {by}, {len(shards):,} shards against {_shard(shards.iloc[0])}: "
        f"columns that change beyond chance: {len(worst):,}"
    )
    if worst.empty:
        return
    heads = [
        "psi", "js z", "new", "gone", "filled", "mi change", "mi z", "shard", "feature",
    ]  # fmt: skip
    rows = [
        (
            _number(line.psi), f"{line.js_z:.1f}", _percent(line.new_share),
            _percent(line.gone_share), f"{100 * line.coverage_change:+.1f}%",
            f"{line.mi_change:+.2g}", f"{line.mi_z:.1f}", _shard(line.shard),
            line.feature,
        )
        for line in worst.head(N_DRIFTED).itertuples()
    ]  # fmt: skip
    tables.show(heads, rows, left=("shard",))


def _worst(drift: pd.DataFrame) -> pd.DataFrame:
    """Of each column that changes beyond chance the line that changes most."""
    import numpy as np
    from scipy.special import erfc

    from featurekit.statistics.contingency import false_discovery_rate

    first = drift["n_rows"].groupby(drift["feature"]).transform("first")
    change = drift["coverage_change"].to_numpy()
    before, n, m = drift["coverage"] - change, drift["n_rows"], first
    both = ((drift["coverage"] * n + before * m) / (n + m)).clip(0, 1)
    error = np.sqrt(both * (1 - both) * (1 / n.clip(1) + 1 / m.clip(1))).to_numpy()
    z = np.abs(change) / np.maximum(error, 1e-300)
    least = np.minimum(erfc(z / 2**0.5), erfc(drift["mi_z"].abs() / 2**0.5))
    p = np.minimum(3 * np.minimum(least, drift["js_p"]), 1.0).to_numpy()
    most = drift.assign(most=np.maximum(drift["psi"], np.abs(change)))
    worst = most[false_discovery_rate(p) <= DRIFT_Q]
    worst = worst.sort_values("most", ascending=False, kind="stable")
    return worst.drop_duplicates("feature")


def _shard(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# -- files -------------------------------------------------------------------------


def _as_singles(ranking: Ranking) -> pd.DataFrame:
    """The columns of OutRank's ``feature_singles.tsv``, the target first.

    Names carry cardinality and coverage in percent; crosses are ``a AND b``. Scores
    whose name there has MI in it go from 0, the least, to 1, the target itself.
    """
    import pandas as pd

    ranker = ranking.ranker
    itself = f"{_CONTROL}target"
    whole = ranker.scores_
    label = whole[(whole["feature"] == itself) & (whole["order"] == 1)].iloc[-1]
    others = ranking.scores[ranking.scores["feature"] != itself]
    others = others.sort_values("score", ascending=False, kind="stable")
    names = [_decorated(ranking.target, label["cardinality"], 1.0)]
    names += [
        _decorated(_name(line.feature, line.order), line.cardinality, line.coverage)
        for line in others.itertuples()
    ]
    heuristic = _HEURISTICS.get(ranker.criterion, ranker.criterion)
    score = pd.Series([label["score"], *others["score"]], dtype="float64")
    if "MI" in heuristic:
        least, most = score.min(), score.max()
        score = (score - least) / (most - least) if most > least else 0 * score
        score[0] = 1.0
    return pd.DataFrame({"Feature": names, f"Score {heuristic}": score})


def _decorated(name: str, cardinality: float, coverage: float) -> str:
    return f"{name}-({cardinality:.0f}; {int(round(100 * coverage, 1))})"


def _name(feature: str, order: int) -> str:
    if order == 1:
        return feature
    from featurekit.expressions import parse

    return " AND ".join(parse(feature).columns())
