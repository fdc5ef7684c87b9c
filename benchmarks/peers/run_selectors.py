"""Run scikit-learn's feature selectors and featurekit's own; see `selection_exchange`.

Those that need columns of one scale are given a pipeline with a `StandardScaler`, which
is part of the fit. featurekit's selectors get the raw columns.
"""

from __future__ import annotations

import inspect
import warnings

import numpy as np
from selection_exchange import NotThere, Selector, best_first, main
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SequentialFeatureSelector,
    f_classif,
    mutual_info_classif,
)
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OURS = {
    "inf_fs": ("InfFS", {"method": "supervised"}),
    "inf_fs_u": ("InfFS", {"method": "unsupervised"}),
    "disco": ("DisCo", {"mode": "filter"}),
    "disco_forward": ("DisCo", {"mode": "forward"}),
    "sequential_attention": ("SequentialAttention", {"model": "mlp"}),
    "sequential_attention_linear": ("SequentialAttention", {"model": "linear"}),
    "featurekit_mrmr": ("MRMR", {}),
    "boruta_shadow": ("BorutaShadow", {}),
}


def f_scores(X, y, k, seed):
    """F statistics of an analysis of variance, column by column."""
    return best_first(f_classif(X, y)[0])


def mutual_information(X, y, k, seed):
    """Mutual information by three nearest neighbours, column by column."""
    return best_first(mutual_info_classif(X, y, random_state=0, n_jobs=1))


def elimination(X, y, k, seed):
    """Recursive elimination, a tenth of all columns at a time, logistic regression."""
    scaled = StandardScaler().fit_transform(X)
    model = LogisticRegression(C=1.0, max_iter=200)
    return RFE(model, n_features_to_select=k, step=0.1).fit(scaled, y).get_support(True)


def forward(X, y, k, seed):
    """Greedy forward selection by the accuracy of five neighbours, three folds."""
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(5))
    selector = SequentialFeatureSelector(model, n_features_to_select=k, cv=3, n_jobs=1)
    return selector.fit(X, y).get_support(True)


def l1(X, y, k, seed):
    """The largest coefficients of an L1 logistic regression, one class against all."""
    scaled = StandardScaler().fit_transform(X)
    model = OneVsRestClassifier(
        LogisticRegression(C=1.0, l1_ratio=1.0, solver="liblinear", random_state=0)
    )
    selector = SelectFromModel(
        model,
        threshold=-np.inf,
        max_features=k,
        importance_getter=lambda fitted: np.vstack(
            [binary.coef_ for binary in fitted.estimators_]
        ),
    )
    return selector.fit(scaled, y).get_support(True)


def ours(name: str) -> Selector:
    """Return a selector of featurekit."""
    class_name, options = OURS[name]

    def selector(X, y, k, seed):
        try:
            import featurekit.selection as selection

            factory = getattr(selection, class_name)
        except (ImportError, AttributeError) as error:
            raise NotThere(f"featurekit.selection.{class_name}: {error}") from error
        parameters = {"n_features_to_select": k, **options}
        if "random_state" in inspect.signature(factory).parameters:
            parameters["random_state"] = 0
        if "task" in inspect.signature(factory).parameters:
            # whole numbers of more than twenty values are numbers otherwise
            parameters["task"] = "classification"
        fitted = factory(**parameters).fit(X, y)
        order = getattr(fitted, "order_", None)
        if order is None:  # places, the best is 1
            order = np.argsort(fitted.ranking_, kind="stable")
        return order

    return selector


SELECTORS: dict[str, Selector] = {
    "f_classif": f_scores,
    "mutual_info": mutual_information,
    "rfe": elimination,
    "sfs": forward,
    "l1": l1,
    **{name: ours(name) for name in OURS},
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(SELECTORS, ("featurekit", "scikit-learn", "numpy"))
