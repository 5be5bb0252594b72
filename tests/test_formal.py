"""The runner of proofs can say yes and no, and every claim is one that can fail; ``make formal`` proves them all."""

import pytest
from amaranth.hdl import Signal

from rtl.spec.errors import BadInput
from sim.formal.claims import CLAIMS
from sim.formal.harness import Harness
from sim.formal.prove import main, prove, verdicts
from sim.formal.solver import commands

QUICK = ("lookup", "countdown", "byte-line-heard", "byte-line-sent")


def counter(limit):
    """A counter from 0 on, of which it is said that it never comes to ``limit``; it stops at 5."""
    harness = Harness()
    count = Signal(4)
    step = harness.anything(1, "step")
    with harness.m.If(step & (count != 5)):
        harness.m.d.sync += count.eq(count + 1)
    harness.check(count != limit)
    return harness.rtlil()


@pytest.mark.parametrize(
    "limit, depth, induction, holds",
    [(3, 3, False, True), (3, 5, False, False), (5, 10, False, False), (6, 10, False, True), (6, 10, True, True)],
)
def test_it_tells_what_holds_from_what_does_not(limit, depth, induction, holds):
    assert prove(counter(limit), depth, induction=induction) == holds


@pytest.mark.parametrize("name", QUICK)
def test_quick_claims_hold_and_fail_with_their_fault(name):
    (verdict,) = verdicts([CLAIMS[name]])
    assert verdict.holds and verdict.fault_found


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda claim: claim.name)
def test_a_fault_changes_the_circuit(claim):
    assert claim.faulty() != claim.circuit()
    assert "check" in claim.circuit()


def test_a_claim_that_is_not_there(monkeypatch):
    monkeypatch.setattr("sys.argv", ["prove", "no-such-claim"])
    with pytest.raises(BadInput, match="no-such-claim"):
        main()


def test_the_solver_is_given_whole_commands():
    lines = ["(declare-fun |a (b| () Bool) ; (\n", "(assert\n", "  |a (b|)\n", "\n", "(check-sat)\n"]
    assert list(commands(lines)) == ["".join(lines[:1]), "".join(lines[1:3]), "\n(check-sat)\n"]
