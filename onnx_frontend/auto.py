"""Choose the recipe by measured error: the outputs of each candidate against the float model's, on the samples."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from .calibrate import Progress
from .recipe import Choice, Recipe

PERCENTILES = (99.99, 99.999)
FINALISTS = 4
NEGLIGIBLE = 0.5
"""Decibels that are noise of the samples: of the recipes this close to the best, the one with the fewest steps wins."""


def steps(recipe: Recipe) -> int:
    """Return how many things a recipe does to the model."""
    return sum(map(bool, (recipe.equalize, recipe.correct_biases, recipe.clip_weights)))


def choose(wish: Recipe, equalizable: bool, score: Callable[[Recipe], float], progress: Progress) -> Choice:
    """Return the best recipe of those that ``wish`` leaves open; deterministic, and without a run if there is but one.

    First each calibrator, with and without equalization; then the best of them with corrected biases as well; then the
    best of all with clipped weights: so that the number of candidates is the sum and not the product of the choices.

    Parameters
    ----------
    equalizable : bool
        Whether the model has layers to equalize.
    score : function
        Of a recipe: larger is better.
    """
    scores: dict[str, float] = {}
    calibrators = [replace(wish, method=method) for method in ("minmax", "mse", "entropy")]
    calibrators += [replace(wish, method="percentile", percentile=share) for share in PERCENTILES]
    if wish.method != "auto":
        calibrators = [wish]
    settings = (False, True) if equalizable and wish.equalize is None else (bool(wish.equalize) and equalizable,)
    first = [
        replace(recipe, equalize=equal, clip_weights=bool(wish.clip_weights), correct_biases=bool(wish.correct_biases))
        for equal in settings
        for recipe in calibrators
    ]
    finalists = FINALISTS if wish.correct_biases is None else 0
    total = len(first) + min(finalists, len(first)) + (wish.clip_weights is None)

    def measured(recipe: Recipe) -> float:
        if str(recipe) not in scores:
            scores[str(recipe)] = score(recipe)
            progress("try settings", len(scores), total)
        return scores[str(recipe)]

    def best_of(candidates: Sequence[Recipe]) -> Recipe:
        enough = max(measured(recipe) for recipe in candidates) - NEGLIGIBLE
        return min((recipe for recipe in candidates if measured(recipe) >= enough), key=steps)

    if finalists:
        ranked = sorted(first, key=measured, reverse=True)[:finalists]
        first += [replace(recipe, correct_biases=True) for recipe in ranked]
    if len(first) == 1 and wish.clip_weights is not None:
        return Choice(first[0], scores)
    best = best_of(first)
    if wish.clip_weights is None:
        best = best_of([best, replace(best, clip_weights=True)])
    return Choice(best, scores)
