"""The campaign of faults breaks what it says and counts what it should; ``make mutate`` runs it."""

import pytest
from mutate import HANGS, UNNOTICED, Outcome, drawn, near, report, sources
from mutations import KINDS, Mutation, mutations

SOURCE = """
class Unit:
    def __init__(self, width):
        self._width = width + 1

    def elaborate(self, platform):
        m = Module()
        {}
        return m
"""


def broken(line):
    source = SOURCE.format(line)
    return {(found.kind, found.apply(source).splitlines()[7].strip()) for found in mutations("rtl/unit.py", source)}


@pytest.mark.parametrize(
    "line, expected",
    [
        ("a = b & c", {("operator", "a = (b | c)")}),
        ("a = b - c << 2", {("operator", "a = (b - c >> 2)"), ("operator", "a = (b + c) << 2")}),
        ("a = ~b", {("operator", "a = (b)")}),
        ("a = b == 3", {("operator", "a = (b != 3)"), ("constant", "a = b == 4")}),
        ("a = b[2:4]", {("constant", "a = b[3:4]"), ("constant", "a = b[2:5]")}),
        ("a = Mux(b, c, d)", {("choice", "a = Mux(b, d, d)"), ("choice", "a = Mux(b, c, c)")}),
        ("a = Signal()", {("reset", "a = Signal(init=1)")}),
        ("a = Signal(8, init=1)", {("reset", "a = Signal(8, init=0)"), ("width", "a = Signal(7, init=1)")}),
        ("a = Signal(signed(b))", {("width", "a = Signal(signed(b - 1))")}),
        ("a = Signal(range(9))", {("width", "a = Signal(range((9 + 1) // 2))")}),
        ("with m.If(a): pass", {("condition", "with m.If(~(a).bool()): pass"), ("condition", "with m.If(1): pass")}),
        ("m.d.sync += a.eq(0)", {("constant", "m.d.sync += a.eq(1)"), ("statement", "pass")}),
        ("m.d.comb += a.eq(b)", {("statement", "pass"), ("register", "m.d.sync += a.eq(b)")}),
    ],
)
def test_what_is_made_wrong(line, expected):
    assert broken(line) == expected


def test_every_kind_of_fault_is_drawn_in_turn_and_the_seed_chooses():
    first = [next(order) for order in [drawn(0, sources())] for _ in range(2 * len(KINDS))]
    assert [mutation.kind for mutation in first] == [*KINDS, *KINDS]
    again = drawn(0, sources())
    assert [next(again) for _ in first] == first
    other = drawn(1, sources())
    assert [next(other) for _ in first] != first


def test_the_tests_of_a_unit_are_asked_first():
    (vector,) = (path for path in sources() if path.name == "vector.py" and path.parent.name == "rtl")
    assert near(vector) == ["test_vector.py"]
    (groups,) = (path for path in sources() if path.name == "drain_groups.py")
    assert "test_drain.py" in near(groups)


def outcomes(*noticed):
    mutation = Mutation("rtl/unit.py", 1, "a = b & c", "operator", 0, 5, "b & c", "(b | c)")
    return [Outcome(mutation, test) for test in noticed]


@pytest.mark.parametrize(
    "noticed, good",
    [
        (["test_a", HANGS], True),
        ([*["test_a"] * 19, UNNOTICED], False),  # not explained
        (["test_a", UNNOTICED], False),
    ],
)
def test_a_campaign_comes_out_badly_if_faults_live(noticed, good, capsys):
    assert report(outcomes(*noticed)) is good
    assert ("NOT EXPLAINED" in capsys.readouterr().out) is not good


def test_an_explained_one_may_live_but_not_too_many(monkeypatch, capsys):
    key = str(outcomes("")[0].mutation)
    monkeypatch.setattr("mutate.SURVIVORS", {key: "because"})
    assert report(outcomes(*["test_a"] * 19, UNNOTICED))
    assert not report(outcomes(*["test_a"] * 8, UNNOTICED))
    assert "because" in capsys.readouterr().out
