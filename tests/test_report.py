"""The report: what it says is what the other commands say, it needs nothing but itself, and a browser shows it."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from typer.testing import CliRunner

import boards
from fpga_accel.cli import app
from fpga_accel.report.data import residents
from fpga_accel.report.page import edges
from onnx_frontend.partition import compile_plan, partition

BROWSER = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)


class Page(HTMLParser):
    """The text of each element with an id, the rows of each table, and all addresses in a page."""

    VOID = ("meta", "path", "use", "circle", "br", "link", "image", "rect")

    def __init__(self, text):
        super().__init__()
        self.texts, self.cells, self.addresses = {}, [], []
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.addresses += [named[name] for name in ("src", "href", "xlink:href") if name in named]
        if tag not in self.VOID:
            self._open.append(named.get("id"))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
            self._open[-1] = self._open[-1] or tag

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            self._open.pop()

    def handle_data(self, data):
        for name in filter(None, self._open[-1:]):
            if name in ("td", "th"):
                self.cells[-1][-1] += data.strip()
            else:
                self.texts[name] = self.texts.get(name, "") + data.strip()


@pytest.fixture(scope="module")
def report(digits, digits_qdq, digits_test, tmp_path_factory):
    """The file, and what the command says of it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    arguments = ["report", digits_qdq, "--board", "ulx3s-25f", "--input", digits_test, "--limit", 16]
    told = CliRunner().invoke(app, [*map(str, arguments), "--float", str(digits), "-o", str(path), "--json"])
    assert told.exit_code == 0, told.output
    return path, json.loads(told.stdout)


@pytest.fixture(scope="module")
def plan(digits_qdq):
    return compile_plan(partition(digits_qdq).plan, boards.get("ulx3s-25f").config)


def test_it_says_what_the_plan_says(report, plan):
    path, told = report
    page = Page(path.read_text())
    assert page.texts["cycles"] == f"{plan.cycles:,}"
    assert told["cycles"] == plan.cycles
    rows = {cells[0]: cells for cells in page.cells}
    for number, layer in enumerate(plan.layers, 1):
        assert rows[layer.name][1:6] == [
            layer.operator,
            "core 1",
            str(number),
            f"{layer.macs:,}",
            f"{layer.cycles:,}",
        ]


def test_every_proof_compares_something_and_nothing_differs(report):
    path, told = report
    assert len(told["proofs"]) == 2
    assert all(proof["compared"] > 16 * 10 and proof["different"] == 0 for proof in told["proofs"])
    assert Page(path.read_text()).texts["different"] == f"0 of {told['compared']:,}"


def test_it_needs_nothing_but_itself(report):
    text = report[0].read_text()
    assert all(address.startswith("#") for address in Page(text).addresses)
    assert not re.search(r"@import|url\((?!#)|<script", text)


def test_plots_have_the_ink_of_the_page(report):
    text = report[0].read_text()
    assert text.count("<svg") == 7
    assert "currentColor" in text and "#123456" not in text
    assert "NaN" not in text and "nan" not in text.split("</style>")[1].replace("nance", "")


def test_tensors_have_their_lines_while_they_are_of_use(plan):
    (program,) = plan.programs
    found = {resident.tensor: resident for resident in residents(program)}
    ends = dict(
        zip(
            (layer.name for layer in program.layers), np.cumsum([layer.cycles for layer in program.layers]), strict=True
        )
    )
    for node in program.graph.nodes:
        made = found[node.output]
        assert made.lines == program.placements[node.output].lines(program.config)
        assert made.begin <= ends[node.name]
        for name in node.inputs:
            assert found[name].begin < ends[node.name] <= found[name].end


def test_edges_of_a_graph_that_branches():
    class Row:
        def __init__(self, *inputs):
            self.inputs, self.on_core = inputs, True

    drawn = edges((Row(), Row(0), Row(1), Row(2, 0), Row(3, 1)))
    assert len(drawn["paths"]) == 6
    # The two long ones overlap: each has a line of its own.
    assert len({path.split("C")[1].split()[0] for path in drawn["paths"]}) == 3


@pytest.mark.skipif(BROWSER is None, reason="no chromium here: apt install chromium")
@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
def test_a_browser_shows_it(report, scheme, tmp_path):
    from PIL import Image

    picture = tmp_path / "report.png"
    subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={picture}"),
            *("--window-size=1200,3600", report[0].as_uri()),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    pixels = np.asarray(Image.open(picture).convert("L"), np.int16)
    paper = pixels[5, 5]
    assert (paper < 60) if scheme == 0 else (paper > 200)
    # Something is drawn in every part of the page, and none of it is the colour of the paper.
    for part in np.array_split(pixels[:3000], 10):
        assert (np.abs(part - paper) > 100).sum() > 200
