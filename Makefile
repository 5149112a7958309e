# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# The commands of this repository; `make help` lists them. The kernel's own rules are in
# port/x86/Makefile. Everything made lies below build/, .venv/ and tools/importos/data/.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

APP ?= examples/hello.py
BUILD := build
VENV := .venv
BIN := $(VENV)/bin
DATA := tools/importos/data
JOBS ?= $(shell nproc)

# The upstream sources: fetched, unless all three are named.
UPSTREAM := $(BUILD)/upstream
ifeq ($(and $(MICROPY_DIR),$(LWIP_DIR),$(MBEDTLS_DIR)),)
UPSTREAM_STAMP := $(UPSTREAM)/upstream.json
endif
MICROPY_DIR ?= $(abspath $(UPSTREAM)/micropython)
LWIP_DIR ?= $(abspath $(UPSTREAM)/lwip)
MBEDTLS_DIR ?= $(abspath $(UPSTREAM)/mbedtls)

# The flavours of the kernel (port/x86/Makefile); FLAVOURS=full builds no other. `make run` builds the
# one that the app needs.
ALL_FLAVOURS := full standard net udp small
FLAVOURS ?= $(ALL_FLAVOURS)
KERNEL := $(BUILD)/kernel/kernel.elf
KERNELS := $(KERNEL) $(patsubst %,$(BUILD)/kernel-%/kernel.elf,$(filter-out full,$(ALL_FLAVOURS)))
LIBRARY := $(DATA)/library.json
# Quiet about what is up to date; V=1 shows the commands.
KERNEL_MAKE = $(if $(V),,BUILD_VERBOSE=0) $(MAKE) $(if $(V),,-s) -C port/x86 BUILD=$(abspath $(@D)) \
	FLAVOUR=$(or $(patsubst kernel-%,%,$(filter kernel-%,$(notdir $(@D)))),full) \
	MICROPY_DIR=$(abspath $(MICROPY_DIR)) LWIP_DIR=$(abspath $(LWIP_DIR)) \
	MBEDTLS_DIR=$(abspath $(MBEDTLS_DIR)) PYTHON=$(abspath $(BIN)/python)

.PHONY: help run repl gdb test test-upstream test-all check kernel kernel-data wheel clean distclean
.PHONY: bench bench-guests bench-baseline fuzz FORCE

help:
	@echo 'make run     boot APP in QEMU, the console here   [first time 1 min, then 1 s]'
	@echo '             (APP=$(APP); ARGS="-p 8080:80": options of mkimage;'
	@echo '             Ctrl-A X leaves)'
	@echo 'make repl    boot to the Python prompt             [1 s]'
	@echo 'make test    every test; PYTEST_ARGS= for some     [10 min, the first time 15]'
	@echo 'make test-upstream  MicroPython'"'"'s own tests alone   [4 min]'
	@echo 'make test-all       every test, and all of MicroPython'"'"'s: docs/upstream-tests.md [30 min]'
	@echo 'make check   format, lint, layers, sizes, spelling [20 s]'
	@echo 'make kernel  the kernel only, in all its flavours  [4 min]'
	@echo '             (FLAVOURS=$(FLAVOURS))'
	@echo 'make gdb     boot APP under the debugger           [1 s]'
	@echo 'make wheel   the package for pip, with the kernel  [10 s]'
	@echo 'make fuzz    frames and lying cards under the sanitizers: tests/fuzz/README.md'
	@echo '             (SECONDS_EACH=300)                    [10 min, for ever with 0]'
	@echo 'make bench   the race against Linux guests; bench-boot, bench-http ... parts of it'
	@echo '             (tests/bench/README.md)               [30 min; guests, once: 2 min]'
	@echo 'make bench-baseline  count instructions anew       [30 s]'
	@echo 'make clean   remove what was built; distclean: also upstream sources and $(VENV)'
	@echo
	@echo 'Other upstream trees: MICROPY_DIR= LWIP_DIR= MBEDTLS_DIR=; another Python: PYTHON='

# --- What is needed first ------------------------------------------------------------------------

$(BUILD)/stamps/packages-%: tools/dev/install_packages.sh
	@PYTHON='$(PYTHON)' sh $< $*
	@mkdir -p $(@D) && touch $@

# The date of pyproject.toml may change without its content, at a checkout for instance.
$(BUILD)/stamps/pyproject.toml: pyproject.toml
	@mkdir -p $(@D)
	@cmp -s $< $@ || cp $< $@

$(VENV)/installed: $(BUILD)/stamps/pyproject.toml $(BUILD)/stamps/packages-build
	@sh tools/dev/make_venv.sh $(VENV) $(PYTHON)
	@touch $@

$(UPSTREAM)/upstream.json: port/x86/upstream.toml tools/dev/fetch_upstream.py \
		$(BUILD)/stamps/packages-build
	@$(BIN)/python tools/dev/fetch_upstream.py

$(UPSTREAM)/upstream.json: | $(VENV)/installed

# --- Kernel, package, images ---------------------------------------------------------------------

kernel: kernel-data

# port/x86/Makefile knows what its files depend on, so it is asked each time. What upstream's
# makefiles say although nothing has changed is left out.
$(KERNELS): SHELL := /bin/bash
$(KERNELS): FORCE $(VENV)/installed $(UPSTREAM_STAMP)
	@+set -o pipefail; $(KERNEL_MAKE) $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(JOBS)) \
		| sed -u '/^Including User C Module/d; /^GEN .*genhdr/d; / not updated$$/d'

$(LIBRARY): tools/dev/package_library.py tools/importos/flavours.json $(UPSTREAM_STAMP) \
		$(wildcard frozen/*.py frozen/*/*.py) | $(VENV)/installed
	@$(BIN)/python tools/dev/package_library.py $(DATA) --micropython-dir $(MICROPY_DIR)

define package_kernel
@$(BIN)/python tools/dev/package_kernel.py $< $(DATA) --micropython-dir $(MICROPY_DIR)
@touch $@
endef
PACKAGED_WITH := tools/dev/package_kernel.py $(BUILD)/stamps/pyproject.toml \
	$(wildcard port/x86/bios/* port/x86/unpack/*)
$(BUILD)/stamps/flavour-full: $(KERNEL) $(PACKAGED_WITH)
	$(package_kernel)
$(BUILD)/stamps/flavour-%: $(BUILD)/kernel-%/kernel.elf $(PACKAGED_WITH)
	$(package_kernel)

# What was built before in other flavours goes: it may be older than the sources.
STALE := $(filter-out $(FLAVOURS),$(ALL_FLAVOURS))
kernel-data: $(FLAVOURS:%=$(BUILD)/stamps/flavour-%) $(LIBRARY)
	@rm -f $(foreach flavour,$(STALE),$(BUILD)/stamps/flavour-$(flavour) \
		$(DATA)/kernel-$(flavour).*) $(if $(filter full,$(STALE)),$(DATA)/kernel.*)

# With FLAVOURS= those are built, without it the one that the app needs.
run: $(LIBRARY)
	@+flavour='$(if $(filter file,$(origin FLAVOURS)),,$(FLAVOURS))' && \
	: $${flavour:=$$($(BIN)/mkimage $(APP) $(ARGS) --print-flavour)} && test -n "$$flavour" && \
	$(MAKE) $$(printf '$(BUILD)/stamps/flavour-%s ' $$flavour)
	@$(BIN)/mkimage $(APP) --output $(BUILD)/$(basename $(notdir $(APP))).elf --run $(ARGS)

repl: $(BUILD)/stamps/flavour-full $(LIBRARY)
	@$(BIN)/importos run

gdb: $(BUILD)/stamps/flavour-full $(LIBRARY) $(BUILD)/stamps/packages-gdb
	@$(BIN)/mkimage $(APP) --flavour full --output $(BUILD)/gdb.elf
	@sh tools/dev/gdb.sh $(BIN)/python $(BUILD)/gdb.elf $(KERNEL)

check: $(VENV)/installed $(UPSTREAM_STAMP)
	@$(BIN)/python tools/dev/check.py
	@$(BIN)/python -m pytest --quiet tests/test_layers.py

# One tree more, for the test that the kernel is built from the older release too.
$(BUILD)/stamps/fallback: port/x86/upstream.toml tools/dev/fetch_upstream.py $(UPSTREAM_STAMP)
	@$(BIN)/python tools/dev/fetch_upstream.py micropython-fallback
	@touch $@

test: kernel-data $(BUILD)/stamps/packages-test $(BUILD)/stamps/fallback
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

UPSTREAM_RUN = PYTHONPATH=tests $(BIN)/python -m upstream.run --upstream $(MICROPY_DIR)

# UPSTREAM_ARGS= for some directories or tests, or another --suite (tests/upstream/README.md).
test-upstream: kernel-data $(BUILD)/stamps/packages-test
	@$(UPSTREAM_RUN) $(UPSTREAM_ARGS)

test-all: test
	@$(UPSTREAM_RUN) --all
	@PYTHONPATH=tests $(BIN)/python -m upstream.table

# --- Fuzzing ---------------------------------------------------------------------------------------

FUZZ := $(BUILD)/fuzz
FUZZERS := frames device
SECONDS_EACH ?= 300

# What is found is kept as $(FUZZ)/crash-..., what leads on in $(FUZZ)/corpus.
fuzz: $(UPSTREAM_STAMP) $(BUILD)/stamps/packages-test
	@+$(MAKE) -s -C tests/fuzz -j$(JOBS) BUILD=$(abspath $(FUZZ)) LWIP_DIR=$(abspath $(LWIP_DIR))
	@$(BIN)/python tests/fuzz/corpus.py $(FUZZ)/seeds
	@mkdir -p $(FUZZERS:%=$(FUZZ)/corpus/%)
	@for name in $(FUZZERS); do $(FUZZ)/fuzz_$$name -max_len=16000 -artifact_prefix=$(FUZZ)/ \
		-max_total_time=$(SECONDS_EACH) $(FUZZ)/corpus/$$name $(FUZZ)/seeds/$$name || exit 1; done

# --- The race --------------------------------------------------------------------------------------

BENCH = PYTHONPATH=tests $(BIN)/python -m bench
GUESTS := $(BUILD)/bench/guests/made

# BENCH_ARGS= for what `python -m bench --help` tells, such as --runs 9 --machines pc,microvm.
bench: kernel-data $(GUESTS)
	@$(BENCH) --quiet 2 --docs $(BENCH_ARGS)

bench-guests: $(GUESTS)

bench-baseline: kernel-data
	@PYTHONPATH=tests $(BIN)/python -m bench.counts --update

bench-offloads: kernel-data
	@$(BENCH) --quiet 2 offloads --targets importos $(BENCH_ARGS)

bench-%: kernel-data $(GUESTS)
	@$(BENCH) --quiet 2 $* $(BENCH_ARGS)

# TINY=1 compiles a small kernel for one more guest, which takes half an hour.
$(GUESTS): tests/bench/linux_guests.py tests/bench/guest_init.sh $(VENV)/installed \
		$(BUILD)/stamps/packages-bench
	@PYTHONPATH=tests $(BIN)/python -m bench.linux_guests $(if $(TINY),--tiny)
	@touch $@

wheel: kernel-data
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls -l dist/*.whl

clean:
	rm -rf $(BUILD)/kernel* $(BUILD)/stamps $(BUILD)/*.elf $(BUILD)/tests $(DATA) dist

distclean: clean
	rm -rf $(BUILD) $(VENV)
