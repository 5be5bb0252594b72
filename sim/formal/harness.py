"""What a proof is made of: a unit, inputs that may be anything, and what must always be so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cat, ClockDomain, Module, Mux, Signal, Value


class Harness:
    """A circuit around the unit that is looked at.

    Its registers begin with their initial values, and there is no reset. ``m`` is its module.
    """

    def __init__(self) -> None:
        self.m = Module()
        self.m.domains.sync = domain = ClockDomain(reset_less=True)
        self._inputs: list[Any] = [domain.clk]
        self.first = Signal(init=1)
        self.m.d.sync += self.first.eq(0)

    def unit(self, component: Any, name: str = "unit") -> Any:
        """Add a component, and return it."""
        self.m.submodules[name] = component
        return component

    def anything(self, shape: Any, name: str) -> Any:
        """Return a value that may be another in each cycle."""
        signal = Signal(shape, name=name)
        self._inputs.append(signal if isinstance(signal, Signal) else Value.cast(signal))
        return signal

    def constant(self, shape: Any, name: str) -> Any:
        """Return a value that may be anything, and stays so."""
        given = self.anything(shape, name)
        held = Signal(shape, name=f"{name}_held")
        with self.m.If(self.first):
            self.m.d.sync += held.eq(given)
        value = Signal(shape, name=f"{name}_value")
        self.m.d.comb += Value.cast(value).eq(Mux(self.first, Value.cast(given), Value.cast(held)))
        return value

    def free(self, port: Any, name: str) -> Any:
        """Give an input port of a unit any value in each cycle, and return that."""
        value = self.anything(Value.cast(port).shape(), name)
        self.m.d.comb += Value.cast(port).eq(value)
        return value

    def past(self, value: Any, cycles: int, name: str) -> Any:
        """Return what a value was some cycles ago; before the start it was 0."""
        value = Value.cast(value)
        for cycle in range(cycles):
            register = Signal(value.shape(), name=f"{name}_{cycle + 1}_ago")
            self.m.d.sync += register.eq(value)
            value = register
        return value

    def assume(self, condition: Any) -> None:
        """Look only at what keeps a condition in every cycle."""
        self.m.d.comb += Assume(condition)

    def check(self, condition: Any, when: Any = 1) -> None:
        """Claim that a condition holds in every cycle, or whenever ``when`` does."""
        with self.m.If(when):
            self.m.d.comb += Assert(condition)

    def often(self, name: str, cycles: int) -> Any:
        """Return a bit that may be anything in each cycle, but is set in one of any ``cycles`` in a row."""
        value = self.anything(1, name)
        clear = Signal(range(cycles), name=f"{name}_clear")
        self.m.d.sync += clear.eq(Mux(value, 0, clear + 1))
        self.assume(value | (clear != cycles - 1))
        return value

    def offer(self, stream: Any) -> Any:
        """Offer anything to a stream of a unit, at any time, but until it is taken; return the payload."""
        valid, payload = self.free(stream.valid, "valid"), self.anything(stream.payload.shape(), "payload")
        bits = Value.cast(payload)
        self.m.d.comb += Value.cast(stream.payload).eq(bits)
        waits, was = self.past(valid & ~stream.ready, 1, "waits"), self.past(bits, 1, "payload")
        self.assume(~waits | (valid & (bits == was)))
        return payload

    def never_longer(self, condition: Any, cycles: int, name: str) -> None:
        """Claim that a condition holds for at most ``cycles`` cycles in a row."""
        lasting = Signal(range(cycles + 2), name=f"{name}_lasting")
        self.m.d.sync += lasting.eq(Mux(condition, lasting + (lasting != cycles + 1), 0))
        self.check(lasting <= cycles)

    def rtlil(self) -> str:
        """Return the circuit, with its assumptions and assertions."""
        text: str = rtlil.convert(self.m, name="top", ports=self._inputs, emit_src=False)
        return text


@dataclass(frozen=True)
class Claim:
    """Something that holds of a unit.

    Members
    -------
    name : str
    says : str
        The claim, in words.
    depth : int
        Cycles from the start that are searched for a counterexample.
    build : function
        Puts the unit, its surroundings and what is claimed into a harness.
    plant : (class, function)
        A fault under which the claim must fail: the function is given the module of an instance of the class and the
        instance, and adds statements.
    induction : bool
        Whether the claim is proved for all cycles; else for the first ``depth``.
    """

    name: str
    says: str
    depth: int
    build: Callable[[Harness], None]
    plant: tuple[Any, Callable[[Any, Any], None]]
    induction: bool = False

    def circuit(self) -> str:
        """Return the circuit of the claim, in RTLIL."""
        harness = Harness()
        self.build(harness)
        return harness.rtlil()

    def faulty(self) -> str:
        """Return the same with the planted fault."""
        with planted(*self.plant):
            return self.circuit()


@contextmanager
def planted(kind: Any, fault: Callable[[Any, Any], None]) -> Iterator[None]:
    """Add a fault to all instances of a class that are elaborated meanwhile."""
    original = kind.elaborate

    def elaborate(unit: Any, platform: Any) -> Any:
        module = original(unit, platform)
        fault(module, unit)
        return module

    kind.elaborate = elaborate
    try:
        yield
    finally:
        kind.elaborate = original


def opened(unit: Any, *emptied: str) -> Module:
    """Return the module of a unit, in which the submodules of these names do nothing, so that a harness drives them."""
    module: Module = unit.elaborate(None)
    unit.elaborate = lambda platform: module
    for name in emptied:
        module.submodules[name].elaborate = lambda platform: Module()
    return module


def cat(values: Any) -> Value:
    """Return values side by side."""
    return Cat(*(Value.cast(value) for value in values))
