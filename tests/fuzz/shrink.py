"""Make a failing recipe smaller: fewer operators, then smaller numbers, as long as it fails in the same way."""

from collections.abc import Callable, Iterator

from fuzz.generate import Recipe

ATTEMPTS = 400


def shrink(recipe: Recipe, fails: Callable[[Recipe], bool], attempts: int = ATTEMPTS) -> Recipe:
    """Return a recipe that still fails and of which no single simplification does; after ``attempts``, the best so far.

    Delta debugging: what is tried first takes most away.
    """
    left = attempts
    progress = True
    while progress and left > 0:
        progress = False
        for candidate in _smaller(recipe):
            left -= 1
            if fails(candidate):
                recipe, progress = candidate, True
                break
            if left <= 0:
                break
    return recipe


def _smaller(recipe: Recipe) -> Iterator[Recipe]:
    """Yield simpler recipes, the simplest first."""
    header, blocks = recipe[0], recipe[1:]
    size = len(blocks)
    span = size // 2
    while span >= 1:
        for start in range(size - span, -1, -1):
            if span < size:
                yield [header, *blocks[:start], *blocks[start + span :]]
        span //= 2
    for index, block in enumerate(recipe):
        first = 0 if index == 0 else 1
        if len(block) > first + 1:
            yield _with(recipe, index, block[:first])
            yield _with(recipe, index, block[: (len(block) + first) // 2])
    for index, block in enumerate(recipe):
        for place, number in enumerate(block):
            if isinstance(number, int) and number > 0:
                for less in sorted({0, number // 2, number - 1}):
                    yield _with(recipe, index, [*block[:place], less, *block[place + 1 :]])


def _with(recipe: Recipe, index: int, block: list[int | str]) -> Recipe:
    return [*recipe[:index], block, *recipe[index + 1 :]]
