"""A sample of `make fuzz`; and the fuzzer itself: the same seed makes the same graph, a failure shrinks."""

import json

import numpy as np
import onnx
import pytest
from fuzz.campaign import Summary, available, run_recipe
from fuzz.chain import Outcome, run_chain
from fuzz.generate import OPERATORS, build, random_recipe
from fuzz.shrink import shrink

GROUPS = 6
GRAPHS = 10


@pytest.fixture(scope="module")
def operators():
    return available()


@pytest.mark.parametrize("group", range(GROUPS))
def test_all_machines_compute_the_same_bytes(group, operators):
    summary = Summary()
    for seed in range(group * GRAPHS, (group + 1) * GRAPHS):
        recipe = random_recipe(seed, operators)
        outcome = run_recipe(recipe)
        assert not outcome.failed, f"seed {seed}: {outcome.message}\n{json.dumps(recipe)}"
        summary.add(seed, recipe, outcome, rtl=False)
    assert summary.compared > 0


@pytest.mark.parametrize("seed", range(5))
def test_a_recipe_makes_the_same_graph_again(seed):
    recipe = random_recipe(seed)
    (model, feed), (again, feed_again) = build(recipe), build(json.loads(json.dumps(recipe)))
    assert model == again
    assert all(np.array_equal(feed[name], feed_again[name]) for name in feed)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_makes_sound_models(name):
    made = 0
    for seed in range(40):
        recipe = random_recipe(seed, [name, "Conv"])
        try:
            model, _ = build(recipe)
        except LookupError:
            continue
        onnx.checker.check_model(model)
        made += any(block[0] == name for block in recipe[1:])
    assert made


def test_a_failure_shrinks_to_what_it_takes():
    recipe = next(
        recipe
        for recipe in map(random_recipe, range(1000))
        if len(recipe) > 5 and any(block[0] == "Conv" for block in recipe[1:])
    )
    small = shrink(recipe, lambda candidate: any(block[0] == "Conv" and len(block) > 2 for block in candidate[1:]))
    assert len(small) == 2 and small[1][0] == "Conv"
    assert small[0] == [] and small[1][1:] in ([0], [0, 0])


def test_differences_are_found(monkeypatch):
    recipe = [[0, 0, 0, 0, 3, 4, 4], ["Conv", 0]]
    model, feed = build(recipe)
    assert run_chain(model, feed).kind == "equal"

    def wrong(graph, feed):
        tensors = right(graph, feed)
        tensors[graph.nodes[-1].output] ^= 1
        return tensors

    from sim import reference

    right = reference.run
    monkeypatch.setattr(reference, "run", wrong)
    outcome = run_chain(model, feed)
    assert outcome.failed and outcome.reason == "ONNX Runtime and reference differ in Conv"


def test_any_other_exception_is_a_crash(monkeypatch):
    def broken(*_, **__):
        raise KeyError("lost")

    monkeypatch.setattr("fuzz.chain.compile_plan", broken)
    model, feed = build([[0, 0, 0, 0, 3, 4, 4], ["Conv", 0]])
    outcome = run_chain(model, feed)
    assert outcome.kind == "crashed" and "KeyError" in outcome.reason


def test_the_share_that_is_refused_is_counted_by_reason():
    summary = Summary()
    for _ in range(3):
        summary.add(0, [[], ["Conv"]], Outcome("refused", "Conv : too odd"), False)
    assert summary.refused["Conv : too odd"] == 3 and not summary.failures
