"""A host process that is to be killed: it runs samples over and over, and says which were right."""

import sys

import numpy as np
from fault_models import SAMPLES, models

from fpga_accel.device import SerialDevice
from fpga_accel.session import Session


def main() -> None:
    """Run until the end of the process: device, number of the model."""
    port, number = sys.argv[1], int(sys.argv[2])
    model = models()[number]
    with SerialDevice(port, answer_s=1.0) as device, Session(model.plan, device) as session:
        sample = 0
        while True:
            (y,) = session.run(None, {"x": model.x[sample : sample + 1]})
            print("right" if np.array_equal(y[0], model.y[sample]) else "wrong", flush=True)
            sample = (sample + 1) % SAMPLES


if __name__ == "__main__":
    main()
