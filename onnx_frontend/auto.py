"""Choose the recipe by measured error: the outputs of each candidate against the float model's, on the samples."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .calibrate import Progress
from .recipe import Choice, Recipe

PERCENTILES = (99.99, 99.999)
GAIN = 0.1
"""Decibels by which a step must be better to be taken: less is noise of the samples."""


def choose(wish: Recipe, equalizable: bool, score: Callable[[Recipe], float], progress: Progress) -> Choice:
    """Return the best recipe of those that ``wish`` leaves open; deterministic.

    First each calibrator, with and without equalization; then, with the best of them, clipped weights, and corrected
    biases: greedy, so that the number of candidates is the sum and not the product of the choices.

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
    total = len(first) + sum(value is None for value in (wish.clip_weights, wish.correct_biases))

    def measured(recipe: Recipe) -> float:
        if str(recipe) not in scores:
            scores[str(recipe)] = score(recipe)
            progress("try settings", len(scores), total)
        return scores[str(recipe)]

    best = first[0]
    for recipe in first[1:]:
        if measured(recipe) > measured(best) + GAIN:
            best = recipe
    for field in ("clip_weights", "correct_biases"):
        if getattr(wish, field) is None:
            step = partial(replace, best)
            tried = step(**{field: True})
            if measured(tried) > measured(best) + GAIN:
                best = tried
    return Choice(best, scores)
