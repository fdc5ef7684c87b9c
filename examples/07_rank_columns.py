"""Which columns of a click log tell of the click, and which pairs only together.

The log is made with a known truth: eight columns have an effect, two pairs have one
that neither partner shows, and the rest is noise of 2 to a million values. `OutRank`
counts each column once, knows what chance would give a column of the same values, and
so tells the ones from the others.
"""

from featurekit import OutRank
from featurekit.datasets import make_ctr

log = make_ctr(60_000, 24, n_main=5, n_pairs=1, click_rate=0.2, random_state=0)
truth = log.truth
print("planted:", *truth.main, "and the pairs", *("+".join(p) for p in truth.pairs))

# these numbers are names of things: "auto" would say so too, as they are whole
ranker = OutRank(alpha=0.01, order=2, categorical_features="all", n_jobs=2)
ranker.fit(log.X, log.y)

columns = ["feature", "mi", "emi", "ami", "z", "q", "gain", "cardinality"]
singles = ranker.scores_[ranker.scores_["order"] == 1]
print("\nThe best columns. mi is what a column tells, emi what chance alone would:")
print(singles[columns].head(8).round(4).to_string(index=False))

raw = singles.sort_values("mi", ascending=False)["feature"].head(5).tolist()
print("\nby plain mutual information the first would be", raw)

kept = ranker.get_feature_names_out().tolist()
print("kept:", kept)
noise = [name for name in kept if name in truth.noise]
print("of them noise:", noise)

print("\nThe same from files, read block by block, and by shards that are added up:")
half = len(log.y) // 2
first = OutRank().fit(log.X[:half], log.y[:half])
second = OutRank().fit(log.X[half:], log.y[half:])
both = first.merge(second).scores_
whole = OutRank().fit(log.X, log.y).scores_
print("scores of the merged shards equal those of all rows:", both.equals(whole))

print("\ntransform gives the columns as they are, and the cross as categories:")
print(ranker.transform(log.X.head(3)).to_string())
