"""A circuit under Amaranth's simulator, whose testbenches give its inputs and compare its outputs."""

from amaranth.sim import Simulator


def simulate(dut, *testbenches):
    """Run ``dut`` until the first testbench ends; the others run beside it for as long."""
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for testbench in testbenches:
        sim.add_testbench(testbench, background=testbench is not testbenches[0])
    sim.run()
