"""An operator of your own: searched, explained and stored like the others.

A sensor gives its acceleration along three axes. How hard it is shaken is the length of
that vector in a plane, whichever way it points. One built-in operator does not make it.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from featurekit import OpenFE
from featurekit.expressions import Elementwise, register_operator

# A name as features will be written, the kinds of its inputs, a line for `explain`, and
# a function of float64 arrays; what it gives that is not finite becomes NaN. Register
# it again wherever stored features that use it are read.
register_operator(
    Elementwise(
        "hypot",
        ("numeric", "numeric"),
        "length of the vector of the two",
        function=np.hypot,
    )
)

rng = np.random.default_rng(0)
sensor = pd.DataFrame(rng.normal(0, 1, (1500, 3)), columns=["x", "y", "z"])
wear = np.hypot(sensor["x"], sensor["y"]) ** 2 + rng.normal(0, 0.3, len(sensor))

built_in = ["+", "-", "*", "/", "min", "max", "abs", "log", "square"]
for operators in (built_in, [*built_in, "hypot"]):
    maker = OpenFE(operators=operators, random_state=0).fit(sensor, wear)
    squared = maker.base_score_**2
    print(f"{len(operators)} operators, {maker.n_candidates_} candidates:")
    print(f"  squared error of the columns alone:  {squared:.3f}")
    print(
        f"  squared error with the new features: {squared - max(maker.gate_.gain):.3f}"
    )
    print("  kept:", ", ".join(feature.name for feature in maker.features_))

print()
print(maker.explain("hypot(x;y)"))

with tempfile.TemporaryDirectory() as folder:
    maker.to_json(Path(folder) / "wear.json")
    again = OpenFE.from_json(Path(folder) / "wear.json")
new = pd.DataFrame({"x": [3.0, 0.0], "y": [4.0, 1.0], "z": [0.0, 9.0]})
print("\nread back from JSON:", again.transform(new)["hypot(x;y)"].tolist())
