"""A graph from a recipe, and a recipe from a seed.

A recipe is a list of blocks: the header, then one for each operator, which begins with the operator's name. All other
entries are choices (`fuzz.choices`). Any list of that form is a recipe of some graph, so leaving blocks out and making
numbers smaller shrinks it.
"""

import inspect
from collections.abc import Callable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from fuzz import elementwise, moves, pools, products
from fuzz.choices import Choices
from fuzz.net import Net

Recipe = list[list[int | str]]
Feed = dict[str, NDArray[np.generic]]


def _functions(module: object) -> dict[str, Callable[[Net, Choices], None]]:
    return {
        name: function
        for name, function in vars(module).items()
        # Functions have a module, which isfunction does not tell mypy.
        if inspect.isfunction(function) and name[0].isupper() and function.__module__ == module.__name__  # type: ignore[attr-defined]
    }


OPERATORS = {**_functions(products), **_functions(pools), **elementwise.OPERATORS, **_functions(moves)}
SELDOM = {"Softmax"}
OFTEN = ("Conv", "Conv", "Conv", "ConvTranspose", "Gemm", "MatMul", "AveragePool", "MaxPool", "Add", "Mul", "Concat")


def random_recipe(seed: int, operators: Sequence[str] = tuple(OPERATORS), others: int = 50) -> Recipe:
    """Return the recipe of a seed; operators that are not in ``operators`` come about once in ``others`` graphs."""
    random = np.random.default_rng([seed, 20])
    header = Choices(random)
    net = Net(header)
    recipe: Recipe = [list(header.taken)]
    pool = [name for name in operators for _ in range(1 if name in SELDOM else 3)]
    pool += [name for name in OFTEN if name in operators for _ in range(3)]
    rest = [name for name in OPERATORS if name not in operators]
    count = int(random.integers(1, 9))
    odd = bool(rest) and random.integers(others) == 0
    for _ in range(4 * count):
        name = str(random.choice(rest if odd else pool))
        choices = Choices(random)
        if _grow(net, name, choices):
            recipe.append([name, *choices.taken])
        odd = False
        if len(recipe) > count:
            break
    return recipe


def build(recipe: Recipe) -> tuple[onnx.ModelProto, Feed]:
    """Return the model of a recipe and samples for its inputs.

    Raises
    ------
    LookupError
        If no operator is left.
    """
    net = Net(Choices([number for number in recipe[0] if isinstance(number, int)]))
    grown = [
        _grow(net, str(name), Choices([number for number in numbers if isinstance(number, int)]))
        for name, *numbers in recipe[1:]
    ]
    model = net.model()
    if not any(grown) or not model.graph.output:
        raise LookupError("no operator is left")
    return model, net.feed


def _grow(net: Net, name: str, choices: Choices) -> bool:
    """Add an operator if it fits somewhere; leave the graph as it was if it does not."""
    before = len(net.nodes), len(net.constants), len(net.acts), set(net.read)
    try:
        OPERATORS[name](net, choices)
    except LookupError:
        del net.nodes[before[0] :], net.constants[before[1] :], net.acts[before[2] :]
        net.read = before[3]
        return False
    return True
