"""The pictures of the README, drawn anew: ``python docs/pictures/draw.py``, behind ``make demo``.

Chromium takes those of the report, of which it shows the upper part.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMMAND = Path(sys.executable).with_name("fpga-accel")
SIZE = (1200, 1500)


def demo() -> None:
    """Draw what the demo prints."""
    done = subprocess.run(
        [COMMAND, "demo", "--output", "build/demo"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    console = Console(record=True, file=io.StringIO(), width=max(map(len, lines)))
    console.print(Text("\n".join(line.rstrip() for line in lines)))
    console.save_svg(str(HERE / "demo.svg"), title="make demo")


def report() -> None:
    """Photograph the report of the digits, in both schemes."""
    browser = next(found for name in ("chromium", "google-chrome") if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        files = ["build/demo/digits.qdq.onnx", "--input", "models/digits_test.npz", "--float", "models/digits.onnx"]
        subprocess.run([COMMAND, "report", *files, "--board", "ulx3s-85f", "-o", page], cwd=ROOT, check=True)
        for scheme, number in (("light", 1), ("dark", 0)):
            options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1]}"]
            colors = f"--blink-settings=preferredColorScheme={number}"
            shot = f"--screenshot={HERE / f'report-{scheme}.png'}"
            subprocess.run([browser, *options, colors, shot, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    demo()
    report()
