"""Pins of a link by SPI, at a connector of the board."""

from amaranth.build import Attrs, Pins, Resource, Subsignal

Connector = tuple[str, int]
_PULLED_UP = {
    "ecp5": Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"),
    "ice40": Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1),
    "gowin": Attrs(IO_TYPE="LVCMOS33", PULL_MODE="UP"),
    "gatemate": Attrs(PULLUP="true"),
}


def spi(family: str, connector: Connector, *, cs_n: str, sdi: str, sdo: str, sck: str) -> Resource:
    """Return the resource: 3.3 V, and high where nothing is connected, so that the board is not chosen."""
    return Resource(
        "link_spi",
        0,
        Subsignal("cs_n", Pins(cs_n, dir="i", conn=connector)),
        Subsignal("sdi", Pins(sdi, dir="i", conn=connector)),
        Subsignal("sdo", Pins(sdo, dir="o", conn=connector)),
        Subsignal("sck", Pins(sck, dir="i", conn=connector)),
        _PULLED_UP[family],
    )


def wiring(resource: Resource) -> str:
    """Return how such a resource is wired to a Raspberry Pi, by the names of its header and those of the connector."""
    connector, *_ = resource.ios[0].ios[0].names[0].split(":")
    pins = {signal.name: signal.ios[0].names[0].split(":")[1] for signal in resource.ios[:4]}
    wires = {"CE0": "cs_n", "MOSI": "sdi", "MISO": "sdo", "SCLK": "sck"}
    where = ", ".join(f"{theirs} to {pins[ours]}" for theirs, ours in wires.items())
    return f"{where} of connector {connector.replace('_', ' ')}, and GND to GND"


def pmod(family: str, number: int) -> Resource:
    """Return the resource at the upper row of a Pmod connector, in the order of Digilent's specification, type 2."""
    return spi(family, ("pmod", number), cs_n="1", sdi="2", sdo="3", sck="4")
