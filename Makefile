# Every target makes what it needs; outputs go to build/. The commands are fpga-accel's, see README.md.

PYTHON ?= python3
BIN := .venv/bin
BOARD ?= ulx3s-85f
# One board of each family, unless BOARD is given.
PROVED := $(if $(filter file,$(origin BOARD)),ulx3s-85f tang-nano-20k icebreaker crosslink-nx,$(BOARD))
MODEL ?= models/digits.onnx
CALIBRATION ?= $(MODEL:.onnx=_calibration.npz)
SAMPLES ?= $(MODEL:.onnx=_test.npz)
NAME := $(basename $(notdir $(MODEL)))
SEEDS ?= 1
# Two workers: Verilator and place and route are the load, and each wants a core.
WORKERS ?= 2
GRAPHS ?= 2000
SEED ?= 0
PLACES ?= 120
# Instead of the board's core: auto, or +parity.
CORE ?=
# 1: the bitstream has the model in it.
BAKE ?=
LINK ?=
# 1: flash writes to the board's flash, not to the FPGA alone.
PERMANENT ?=
# Of benchmarks/cores.py; empty for all that fit.
CORES ?=
# Names of boards; empty for all.
BOARDS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all sim fuzz faults upsets onnx-conformance lint accuracy exactness bench fmax nngen boards bitstream flash postroute formal mutate documents site clean distclean

help:
	@echo "make demo                          the whole way on models/digits.onnx: quantize, compile, simulate, compare"
	@echo "make test                          ruff, mypy and the tests"
	@echo "make test-all                      the same, with more cases of what takes long"
	@echo "make sim                           the cocotb tests of the circuits alone"
	@echo "make fuzz GRAPHS=.. SEED=..        random graphs on all machines, compared; defaults $(GRAPHS) $(SEED)"
	@echo "make faults SEED=..                100,000 frames on a line with faults, hosts killed, boards reset; what came of it"
	@echo "make upsets SEED=..                bits of weight memory flipped, in circuits and models; what is noticed, and accuracy"
	@echo "make onnx-conformance              ONNX's backend test suite, as it is and in int8; the score goes into the README"
	@echo "make lint                          ruff and mypy alone"
	@echo "make exactness                     every byte of the models of ../shared/data on every machine"
	@echo "make accuracy                      accuracy of quantized models beside ONNX Runtime's quantize_static"
	@echo "make bench                         cycles and latency of the MLPerf Tiny models on the simulated circuits"
	@echo "make fmax CORES=..                 clock and size of the benchmark's cores by place and route, 5 seeds"
	@echo "make nngen                         the same network on NNgen's hardware: cycles, size, clock"
	@echo "make boards BOARDS=.. SEEDS=..     bitstreams of all boards, and docs/boards.md; defaults: all, $(SEEDS)"
	@echo "make bitstream BOARD=.. MODEL=..   the bitstream of the core that runs MODEL; defaults $(BOARD) $(MODEL);"
	@echo "                                   BAKE=1: with MODEL in it from power-up; LINK=spi: for a Raspberry Pi;"
	@echo "                                   CORE=+parity: notices bits of weights that flip; CORE=auto: the best for MODEL"
	@echo "make flash BOARD=.. MODEL=..       put that bitstream on the board; PERMANENT=1: into its flash"
	@echo "make postroute BOARD=.. MODEL=..   MODEL on a small core as place and route leaves it; without BOARD: each family"
	@echo "make formal                        proofs of units of the core, and faults that they must find"
	@echo "make mutate PLACES=..              the circuits broken in many places, and what the tests notice; default $(PLACES)"
	@echo "make documents                     the commands of README and tutorial, as they stand there, but for those of a board"
	@echo "make site                          docs/ as a site, in build/site"
	@echo "make clean                         remove build/"
	@echo "make distclean                     remove build/ and .venv/"

# Made once, and again when the dependencies change.
$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	@echo "Installing into .venv (once, one to three minutes)"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

demo: $(BIN)/.installed
	$(BIN)/fpga-accel demo --output build/demo

test: lint
	$(BIN)/python -m pytest -n $(WORKERS)

test-all: lint
	$(BIN)/python -m pytest -n $(WORKERS) -m "long or not long"

sim: $(BIN)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) -m cocotb

fuzz: $(BIN)/.installed
	PYTHONPATH=tests $(BIN)/python -m fuzz --graphs $(GRAPHS) --seed $(SEED) --processes $(WORKERS)

faults: $(BIN)/.installed
	$(BIN)/python benchmarks/faults.py --seed $(SEED)

upsets: $(BIN)/.installed
	$(BIN)/python benchmarks/upsets.py --seed $(SEED)

onnx-conformance: $(BIN)/.installed
	$(BIN)/python -m fpga_accel.conformance

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy

# The models are not part of the project: FPGA_ACCEL_DATA names their folder. Without them nothing is done.
exactness: $(BIN)/.installed
	$(BIN)/python benchmarks/exactness.py

accuracy: $(BIN)/.installed
	$(BIN)/python benchmarks/accuracy.py

# Without the trained models the same architectures have seeded weights.
bench: $(BIN)/.installed
	$(BIN)/python benchmarks/bench.py

# Hours of place and route; a command that was stopped goes on where it was.
fmax: $(BIN)/.installed
	$(BIN)/python benchmarks/fmax.py $(CORES)

nngen: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[benchmarks]'
	$(BIN)/python benchmarks/nngen_compare.py

# The same; the table has those that were built, even if others missed their clock.
boards: $(BIN)/.installed
	$(BIN)/python benchmarks/board_builds.py $(BOARDS) --seeds $(SEEDS); \
		missed=$$?; $(BIN)/fpga-accel boards --markdown > docs/boards.md && exit $$missed

bitstream: $(BIN)/.installed
	mkdir -p build/$(NAME)
	$(BIN)/fpga-accel check $(MODEL)
	$(BIN)/fpga-accel quantize $(MODEL) --calibration $(CALIBRATION) -o build/$(NAME)/$(NAME).qdq.onnx
	$(BIN)/fpga-accel compile build/$(NAME)/$(NAME).qdq.onnx --board $(BOARD) $(if $(CORE),--core $(CORE)) -o build/$(NAME)/$(NAME).fpga
	$(BIN)/fpga-accel bitstream --board $(BOARD) --model build/$(NAME)/$(NAME).fpga $(if $(BAKE),--bake) $(if $(LINK),--link $(LINK)) --seeds $(SEEDS)

flash: bitstream
	$(BIN)/fpga-accel flash --board $(BOARD) --model build/$(NAME)/$(NAME).fpga $(if $(BAKE),--bake) $(if $(LINK),--link $(LINK)) $(if $(PERMANENT),--permanent)

postroute: $(BIN)/.installed
	mkdir -p build/$(NAME)
	$(BIN)/fpga-accel quantize $(MODEL) --calibration $(CALIBRATION) -o build/$(NAME)/$(NAME).qdq.onnx
	$(MAKE) --no-print-directory --jobs $(WORKERS) $(PROVED:%=prove-%)

# Plain lines, as several boards tell of their progress.
prove-%:
	TERM=dumb $(BIN)/fpga-accel postroute build/$(NAME)/$(NAME).qdq.onnx --board $* --input $(SAMPLES)

formal: $(BIN)/.installed
	$(BIN)/python -m sim.formal.prove

# An hour; a command that was stopped goes on where it was.
mutate: $(BIN)/.installed
	$(BIN)/python benchmarks/mutate.py --places $(PLACES) --jobs $(WORKERS)

documents: $(BIN)/.installed
	FPGA_ACCEL_DOCUMENTS=all $(BIN)/python -m pytest tests/test_documents.py -v

site: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/mkdocs build --quiet

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache

distclean: clean
	rm -rf .venv
