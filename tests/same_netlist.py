"""Whether two netlists of an iCE40 are one circuit: what place and route wrote, and what its bitstream says."""

from itertools import product

LOGIC_CELL = "ICESTORM_LC"
LEVELS = {"0": 0, "1": 1}


def differences(routed, decoded):
    """Return in words what differs of two netlists that are both as `ice40_routed.restore` leaves them.

    Cells are the same if they are at the same place, and nets if they lead to the same pins. A look-up table may have
    its inputs in another order, and a net of the decoded circuit may go through tables that only pass it on.
    """
    ours, theirs = (netlist["modules"]["top"] for netlist in (decoded, routed))
    here = {cell["attributes"]["NEXTPNR_BEL"]: cell for cell in ours["cells"].values()}
    there = {cell["attributes"]["NEXTPNR_BEL"]: cell for cell in theirs["cells"].values()}
    return _Comparison(here, there, ours["ports"], theirs["ports"]).found


class _Comparison:
    def __init__(self, here, there, ports, their_ports):
        self.found = []
        self._passed = {}
        for place in here.keys() - there.keys():
            self._pass(place, here[place])
        # A cell that puts out 0 without anything to do it is none in the bits.
        zeros = {place for place, cell in there.items() if place not in here and _is_zero(cell)}
        self.found += [f"{place}: not in the bits" for place in sorted(there.keys() - here.keys() - zeros)]
        self._nets = {"0": "0", "1": "1"}
        self._taken = {}
        for name, port in their_ports.items():
            self._pair(name, port["bits"][0], ports.get(name, {"bits": [None]})["bits"][0])
        for place in zeros:
            self._nets |= dict.fromkeys(there[place]["connections"].get("O", []), "0")
        common = sorted(here.keys() & there.keys())
        for place in common:
            self._outputs(place, here[place], there[place])
        for place in common:
            self._cell(place, here[place], there[place])

    def _pass(self, place, cell):
        """Note what a cell that only the bits have passes on."""
        wired = [pin for pin in ("I0", "I1", "I2", "I3") if pin in cell["connections"]]
        registered = cell["parameters"].get("DFF_ENABLE") == "1"
        if cell["type"] != LOGIC_CELL or registered or len(wired) != 1 or _table(cell, wired) != [0, 1]:
            self.found.append(f"{place}: not in the netlist")
        else:
            for out in cell["connections"].get("O", []):
                (self._passed[out],) = cell["connections"][wired[0]]

    def _behind(self, net):
        while net in self._passed:
            net = self._passed[net]
        return net

    def _named(self, net):
        """Return what the decoded circuit calls a net of the routed one, or something that it calls none."""
        return self._nets.get(net, f"the routed net {net}")

    def _pair(self, where, theirs, ours):
        if self._nets.setdefault(theirs, ours) != ours or self._taken.setdefault(ours, theirs) != theirs:
            self.found.append(f"{where}: another net")

    def _outputs(self, place, ours, theirs):
        for pin, bits in theirs["connections"].items():
            if theirs["port_directions"][pin] == "output":
                # What nothing reads has no net in the bits.
                for net, bit in zip(bits, ours["connections"].get(pin, []), strict=False):
                    self._pair(f"{place} {pin}", net, bit)

    def _cell(self, place, ours, theirs):
        if ours["type"] != theirs["type"]:
            self.found.append(f"{place}: a {ours['type']}, not a {theirs['type']}")
        elif ours["type"] == LOGIC_CELL:
            self._logic(place, ours, theirs)
        else:
            self._parameters(place, ours, theirs, theirs["parameters"].keys() | ours["parameters"].keys())
            ways = theirs["port_directions"] | ours["port_directions"]
            for pin in theirs["connections"].keys() | ours["connections"].keys():
                if ways[pin] == "input":
                    self._input(place, pin, ours["connections"], theirs["connections"])

    def _parameters(self, place, ours, theirs, names):
        for name in names:
            got, wanted = (cell["parameters"].get(name, "0") for cell in (ours, theirs))
            if name != "IO_STANDARD" and int(got, 2) != int(wanted, 2):  # which is not in the bits
                self.found.append(f"{place} {name}: {got}, not {wanted}")

    def _input(self, place, pin, ours, theirs):
        wanted = [self._named(net) for net in theirs.get(pin, [])]
        got = [self._behind(net) for net in ours.get(pin, [])]
        width = max(len(wanted), len(got)) if pin in _WORDS else 0
        if got + ["0"] * (width - len(got)) != wanted + ["0"] * (width - len(wanted)):
            self.found.append(f"{place} {pin}: {got}, not {wanted}")

    def _logic(self, place, ours, theirs):
        registered = theirs["parameters"]["DFF_ENABLE"] == "1"
        carries = theirs["parameters"]["CARRY_ENABLE"] == "1"
        flags = ["DFF_ENABLE", "CARRY_ENABLE", "NEG_CLK"] + ["SET_NORESET", "ASYNC_SR"] * registered
        self._parameters(place, ours, theirs, flags)
        for pin in ("CLK", "CEN", "SR") if registered else ():
            self._input(place, pin, ours["connections"], theirs["connections"])
        mine = {pin: self._behind(bits[0]) for pin, bits in ours["connections"].items()}
        other = {pin: self._named(bits[0]) for pin, bits in theirs["connections"].items()}
        if carries:
            first = str(int(theirs["parameters"]["CIN_SET"], 2)) if int(theirs["parameters"]["CIN_CONST"], 2) else "0"
            if mine.get("CIN", "0") != other.get("CIN", first):
                self.found.append(f"{place} CIN: {mine.get('CIN')}, not {other.get('CIN', first)}")
            if {mine.get(pin, "0") for pin in ("I1", "I2")} != {other.get(pin, "0") for pin in ("I1", "I2")}:
                self.found.append(f"{place}: carries another sum")
        nets = sorted(
            {net for pins in (mine, other) for pin, net in pins.items() if pin in _INPUTS} - {"0", "1"}, key=str
        )
        if _function(ours, mine, nets) != _function(theirs, other, nets):
            self.found.append(f"{place}: another table")


_WORDS = ("RADDR", "WADDR", "WDATA", "MASK", "A", "B", "C", "D")
"""Inputs of several bits, which are 0 where they lead nowhere."""
_INPUTS = ("I0", "I1", "I2", "I3")


def _is_zero(cell):
    flags = ("LUT_INIT", "DFF_ENABLE", "CARRY_ENABLE")
    return cell["type"] == LOGIC_CELL and not any(int(cell["parameters"][name], 2) for name in flags)


def _table(cell, pins):
    """Return the outputs of a look-up table for all levels of some inputs; the others are 0."""
    return _function(cell, {pin: pin for pin in pins}, list(pins))


def _function(cell, pins, nets):
    table = int(cell["parameters"]["LUT_INIT"], 2)
    outputs = []
    for levels in product((0, 1), repeat=len(nets)):
        level = dict(zip(nets, levels, strict=True)) | LEVELS
        address = sum(level[pins.get(pin, "0")] << index for index, pin in enumerate(_INPUTS))
        outputs.append(table >> address & 1)
    return outputs
