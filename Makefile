# skiff. `make help` lists what can be built; no file has to be listed here to be compiled.
CXX      ?= g++
NVCC     ?= nvcc
ARCH     ?= native
CUDA     ?= 0
FFT      ?= fftw
SAN      ?= 0
ORDER    ?= forward
WERROR   ?= 0
V        ?= 0
PREFIX   ?= /usr/local
EXTRA    ?=
# All cores, unless told otherwise with -j.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

# ---- one folder per variant, so that none spoils another ----
WITH_FFTW := $(filter-out builtin,$(FFT))
CLANG    := $(findstring clang,$(CXX))
VARIANT  := $(if $(filter 1,$(CUDA)),cuda,cpu)$(if $(WITH_FFTW),,-builtin)$(if $(filter 1,$(SAN)),-san)$(if $(filter reverse,$(ORDER)),-reverse)$(if $(CLANG),-clang)
BUILD    ?= build/$(VARIANT)

WARNINGS := -Wall -Wextra -Wno-missing-field-initializers$(if $(CLANG),, -Wno-restrict)$(if $(filter 1,$(WERROR)), -Werror)
# Nothing here reads the flags of floating-point exceptions. Without -fno-trapping-math (which changes no
# result) gcc leaves loops with a comparison, so every exp, unvectorised where AVX-512's masks are missing.
FLAGS    := -std=c++20 -O3 -g1 -march=$(ARCH) -fno-trapping-math $(WARNINGS) -fopenmp -I. $(EXTRA)
LIBS     := -lopenblas $(if $(WITH_FFTW),-lfftw3 -lfftw3f )-lpng -larchive -lz
ifeq ($(SAN),1)
FLAGS    := -std=c++20 -O1 -g1 -march=$(ARCH) $(WARNINGS) -fopenmp -I. $(EXTRA) -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifneq ($(CLANG),)
FLAGS    += -Wno-unknown-warning-option -Wno-pass-failed
endif
ifeq ($(WITH_FFTW),)
FLAGS    += -DSKIFF_NO_FFTW
endif
ifeq ($(ORDER),reverse)
FLAGS    += -DSKIFF_ORDER_REVERSE
endif

# The folders decide: library, what programs share, programs, tests.
SOURCES  := $(sort $(filter-out core/fft/$(if $(WITH_FFTW),no_)fftw.cpp,$(shell find core autograd layers optim data -name '*.cpp')))
SHARED   := $(sort $(filter-out examples/puzzles/0% examples/puzzles/1% examples/puzzles/grade.cpp,$(wildcard examples/*/*.cpp)))
TESTS    := $(sort tests/main.cpp $(wildcard $(patsubst %,tests/%/*.cpp,core autograd layers optim data examples support)))
NVCC_OBJECTS :=
ifeq ($(CUDA),1)
SOURCES  := $(filter-out core/cuda/none.cpp,$(SOURCES))
FLAGS    += -DSKIFF_CUDA
CUDA_HOME ?= $(patsubst %/bin/,%,$(dir $(shell command -v $(NVCC) 2>/dev/null)))
ifeq ($(CUDA_HOME),)
$(error CUDA=1 needs nvcc: put the bin folder of a CUDA toolkit (12 or newer) into PATH, or set NVCC)
endif
CUDA_ARCHS ?= -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 -gencode arch=compute_90,code=compute_90
NVCCFLAGS := -x cu --extended-lambda -std=c++20 -O3 -lineinfo $(CUDA_ARCHS) -DSKIFF_CUDA -I. -diag-suppress 177 \
             -Xcompiler -fopenmp,-fno-trapping-math,-Wall,-march=$(ARCH) $(if $(filter 1,$(WERROR)),-Werror all-warnings)
LIBS     += -L$(CUDA_HOME)/lib64 -Wl,-rpath,$(CUDA_HOME)/lib64 -lcublas -lcufft -lcudart
# Files that see a kernel go through nvcc, directly or by a header that holds one.
KERNEL_HEADERS := core/parallel.h $(shell grep -rlF '"core/parallel.h"' --include='*.h' core autograd layers optim)
NVCC_SOURCES := $(wildcard core/cuda/*.cu) $(shell grep -lF $(patsubst %,-e '"%"',$(KERNEL_HEADERS)) $(SOURCES) $(TESTS))
NVCC_OBJECTS := $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(NVCC_SOURCES))))
endif
PROGRAMS := $(patsubst examples/%.cpp,$(BUILD)/%,$(wildcard examples/*.cpp)) $(BUILD)/golden
GRADERS  := $(BUILD)/puzzles/grade-examples $(BUILD)/puzzles/grade-tests
TEST_OBJECTS := $(TESTS:%.cpp=$(BUILD)/%.o)
MADE     := $(BUILD)/examples/explain/derivations.o $(BUILD)/examples/report/templates.o
SHARED_OBJECTS := $(SHARED:%.cpp=$(BUILD)/%.o) $(MADE)
PROGRAM_OBJECTS := $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard examples/*.cpp) tests/golden/golden.cpp)
PUZZLE_OBJECTS := $(patsubst %.cpp,$(BUILD)/%.o,$(filter-out $(SHARED),$(wildcard examples/puzzles/*.cpp tests/puzzles/*.cpp)))
OBJECTS  := $(sort $(SOURCES:%.cpp=$(BUILD)/%.o) $(filter-out $(TEST_OBJECTS),$(NVCC_OBJECTS)))
# The time is spent in the library; a lower level nearly halves what it takes to compile programs and tests.
flags     = $(patsubst -O3,-O1,$(patsubst -O1,-O0,$(FLAGS)))
say       = $(if $(filter 0,$(V)),@printf '  %s\n' '$(1)';)
run       = $(if $(filter 0,$(V)),@)

all: $(PROGRAMS)

# ---- compiling ----
$(NVCC_OBJECTS): | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(call say,nvcc $(patsubst $(BUILD)/%.o,%,$@))
	$(run)$(NVCC) $(NVCCFLAGS) -Xptxas -v -MMD -MP -c $(firstword $(wildcard $(@:$(BUILD)/%.o=%.cu) $(@:$(BUILD)/%.o=%.cpp))) -o $@ 2>$(@:.o=.ptxas) \
	  || { cat $(@:.o=.ptxas) >&2; exit 1; }; grep -v '^ptxas info\|bytes stack frame\|^$$' $(@:.o=.ptxas) >&2 || true
$(filter-out $(NVCC_OBJECTS),$(OBJECTS)): flags = $(FLAGS)
$(filter-out $(NVCC_OBJECTS),$(OBJECTS) $(TEST_OBJECTS) $(SHARED:%.cpp=$(BUILD)/%.o) $(PROGRAM_OBJECTS) $(PUZZLE_OBJECTS)): $(BUILD)/%.o: %.cpp | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(call say,$(CXX) $<)
	$(run)$(CXX) $(flags) -MMD -MP -c $< -o $@
# The comments on top of the ops, as text for the programs that show them.
$(BUILD)/examples/explain/derivations.cpp: examples/explain/derivations.awk $(wildcard autograd/ops/*/*.cpp)
	@mkdir -p $(@D)
	$(run)awk -f $^ > $@
# The words of the report, as text for the program.
$(BUILD)/examples/report/templates.cpp: examples/report/templates.awk $(wildcard examples/report/templates/*)
	@mkdir -p $(@D)
	$(run)awk -f $^ > $@
$(MADE): %.o: %.cpp | $(BUILD)/.packages
	$(run)$(CXX) $(flags) -MMD -MP -c $< -o $@
# What programs share: a program takes from the archive what it uses.
$(BUILD)/libshared.a: $(SHARED_OBJECTS)
	$(run)rm -f $@ && ar rcs $@ $^
# Of inline functions the linker keeps the first, so the library comes first.
$(BUILD)/golden: $(OBJECTS) $(BUILD)/tests/golden/golden.o $(BUILD)/libshared.a
$(filter-out $(BUILD)/golden,$(PROGRAMS)): $(BUILD)/%: $(OBJECTS) $(BUILD)/examples/%.o $(BUILD)/libshared.a
$(PROGRAMS):
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
$(BUILD)/skiff_tests: $(OBJECTS) $(TEST_OBJECTS) $(BUILD)/libshared.a
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
# Programs are linked from objects: a linker drops unused archive members, and with them the entries
# of the op table.
$(BUILD)/libskiff.a: $(OBJECTS)
	$(run)rm -f $@ && ar rcs $@ $^

# ---- packages ----
PACKAGES := g++ libopenblas-openmp-dev $(if $(WITH_FFTW),libfftw3-dev )doctest-dev libcli11-dev nlohmann-json3-dev zlib1g-dev libpng-dev libarchive-dev patch
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)
deps:
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(PACKAGES)

# `make deps test` installs before it compiles, also with -j.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
$(BUILD)/.packages: | deps
endif

# One line for each header that is missing, with the command that installs it.
$(BUILD)/.packages:
	@mkdir -p $(@D); missing=; \
	for pair in cblas.h:libopenblas-openmp-dev $(if $(WITH_FFTW),fftw3.h:libfftw3-dev )doctest/doctest.h:doctest-dev CLI/CLI.hpp:libcli11-dev nlohmann/json.hpp:nlohmann-json3-dev zlib.h:zlib1g-dev png.h:libpng-dev archive.h:libarchive-dev; do \
	  printf '#include <%s>\n' $${pair%%:*} | $(CXX) -std=c++20 -fsyntax-only -x c++ - 2>/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then echo "error: missing packages:$$missing; 'make deps' installs them (apt-get install$$missing)" >&2; exit 1; fi; touch $@

# ---- the CUDA half without a GPU ----
ifneq ($(filter cuda-host build/cuda-host%,$(MAKECMDGOALS)),)
include tests/cuda_host/build.mk
endif

# ---- running ----
DEMO := build/demo
demo: all
	./examples/demo.sh $(BUILD) $(DEMO)
test: $(BUILD)/skiff_tests all $(GRADERS)
	SKIFF_PROGRAMS=$(BUILD) $(BUILD)/skiff_tests --test-case-exclude='slow:*'
test-slow: $(BUILD)/skiff_tests all
	SKIFF_PROGRAMS=$(BUILD) $(BUILD)/skiff_tests --test-case='slow:*'
test-gpu:
	$(MAKE) CUDA=1 all build/cuda/skiff_tests
	tests/gpu.sh build/cuda
bench-gpu:
	$(MAKE) CUDA=1 build/cuda/bench_gpu
	build/cuda/bench_gpu --device cuda $(ARGS)
test-cuda-static:
	$(MAKE) CUDA=1 WERROR=1 all
	tests/cuda_static/check.sh build/cuda
test-cuda-host:
	$(MAKE) cuda-host SAN=0
	$(MAKE) cuda-host SAN=1
	@echo 'both at once, each on one core; the sanitized one is shown at the end'; \
	tests/cuda_host/run.sh build/cuda-host-san forward >build/cuda-host-san/log 2>&1 & sanitized=$$!; \
	tests/cuda_host/run.sh build/cuda-host forward reverse 1 2 3; plain=$$?; \
	wait $$sanitized; status=$$?; cat build/cuda-host-san/log; [ $$plain = 0 ] && [ $$status = 0 ]
test-barriers:
	$(MAKE) SAN=0 build/cuda-host/cuda_tests
	tests/cuda_host/barriers.sh build/cuda-host/cuda_tests forward reverse 1 2 3
gradcheck: $(BUILD)/gradcheck
	$(BUILD)/gradcheck $(OP)
golden: $(BUILD)/golden
	$(BUILD)/golden tests/reference
bench: $(BUILD)/bench
	$(BUILD)/bench $(ARGS)

# ---- planted bugs: each patch of tests/mutants, in a copy, must be caught by the checks ----
MUTANTS  := $(patsubst tests/mutants/%.patch,$(BUILD)/mutants/%.json,$(wildcard tests/mutants/*.patch))
SHOWN_MUTANTS := $(patsubst tests/mutants/%.patch,$(BUILD)/mutants/%.json,$(shell grep -l '^report: yes' tests/mutants/*.patch))
MUTANT_OBJECTS := $(filter $(BUILD)/core/% $(BUILD)/autograd/% $(BUILD)/layers/%,$(OBJECTS)) \
                  $(addprefix $(BUILD)/tests/,mutants/check.o core/test_values.o autograd/test_tape.o autograd/test_sequence_ops.o autograd/test_ops_generic.o)
$(BUILD)/tests/mutants/check.o: tests/mutants/check.cpp | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(call say,$(CXX) $<)
	$(run)$(CXX) $(flags) -MMD -MP -c $< -o $@
$(BUILD)/mutants/check: $(MUTANT_OBJECTS)
	@mkdir -p $(@D)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
$(BUILD)/mutants/clean: $(BUILD)/mutants/check
	$(run)$< --clean && touch $@
$(MUTANTS): $(BUILD)/mutants/%.json: tests/mutants/%.patch tests/mutants/run $(BUILD)/mutants/clean
	$(call say,mutant $*)
	$(run)BUILD=$(BUILD) CXX="$(CXX)" FLAGS="$(FLAGS)" LIBS="$(LIBS)" tests/mutants/run $< $@ $(MUTANT_OBJECTS)
mutants: $(MUTANTS)
	@$(BUILD)/mutants/check --summary $(MUTANTS)

# ---- the report. What is measured or trained for it is made once and kept below build/report, so that
# the page is a function of its inputs: the same twice gives the same bytes. RUN=DIR: of that run. What is
# timed waits until nothing else runs ----
REPORT   := build/report
RUN      ?= $(REPORT)/listops-ski
$(REPORT)/bench.jsonl: | $(BUILD)/bench $(BUILD)/report $(SHOWN_MUTANTS) $(if $(filter $(REPORT)/%,$(RUN)),$(REPORT)/listops-ski.done)
	@mkdir -p $(@D)
	$(BUILD)/bench --filter op/tno/train,op/ski/train,op/fd/train,op/attention/train --n 128,256,512,1024,2048,4096 \
	  --batch 1 --dim 64 --threads 1 --repeats 7 --seconds 12 --json $@.part
	mv $@.part $@
$(REPORT)/listops-ski.done: | $(BUILD)/train_lra $(BUILD)/lra_data $(SHOWN_MUTANTS)
	$(BUILD)/lra_data generate listops --out $(REPORT)/data/listops --seed 1 --train 20000 --val 500 --test 500 --min-length 11 --max-length 100 --force
	$(BUILD)/train_lra --task listops --recipe tiny --mixer ski --data $(REPORT)/data --out $(REPORT)/listops-ski \
	  --steps 1500 --max-length 128 --profile --eval-every 150 --threads 1 --force --quiet
	touch $@
report: $(BUILD)/report $(SHOWN_MUTANTS) $(REPORT)/bench.jsonl $(if $(filter $(REPORT)/%,$(RUN)),$(REPORT)/listops-ski.done)
	cat $(SHOWN_MUTANTS) >$(REPORT)/mutants.jsonl
	$(BUILD)/report --run $(RUN) --bench $(REPORT)/bench.jsonl --mutants $(REPORT)/mutants.jsonl --out $(REPORT)/report.html

# ---- twelve backwards to write, one object each. SOLUTIONS=1: those of tests/puzzles; P=06: that one ----
PUZZLES  := $(if $(filter 1,$(SOLUTIONS)),tests,examples)
puzzles_of = $(patsubst %.cpp,$(BUILD)/%.o,$(sort $(wildcard $(1)/puzzles/$(or $(2),[0-9])*.cpp)))
$(BUILD)/puzzles/grade-examples: $(call puzzles_of,examples)
$(BUILD)/puzzles/grade-tests: $(call puzzles_of,tests)
$(BUILD)/puzzles/grade-$(PUZZLES)-$(P): $(call puzzles_of,$(PUZZLES),$(P))
$(GRADERS) $(BUILD)/puzzles/grade-$(PUZZLES)-$(P): $(OBJECTS) $(BUILD)/examples/puzzles/grade.o $(BUILD)/libshared.a
	@mkdir -p $(@D)
	$(run)$(CXX) $(FLAGS) $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -o $@
puzzles: $(BUILD)/puzzles/grade-$(PUZZLES)$(addprefix -,$(P))
	@$< $(P) || [ $$? = 1 ]

# core <- autograd <- layers <- optim, data <- examples, tests
layering:
	@bad=0; forbid() { if grep -nE "^#include \"($$2)/" $$(find $$1 -name '*.h' -o -name '*.cpp' -o -name '*.cu') /dev/null; then \
	  echo "error: $$1 must not include from $$2" >&2; bad=1; fi; }; \
	forbid core 'autograd|layers|optim|data|examples|tests'; forbid autograd 'layers|optim|data|examples|tests'; \
	forbid layers 'optim|data|examples|tests'; forbid optim 'data|examples|tests'; forbid data 'autograd|layers|optim|examples|tests'; \
	forbid examples 'tests'; [ $$bad = 0 ] && echo "layering: includes follow the arrow"

lib: $(BUILD)/libskiff.a
install: all lib
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib
	install $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/libskiff.a $(DESTDIR)$(PREFIX)/lib
	for h in $$(find core autograd layers optim data -name '*.h'); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/skiff/$$h; done
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(PROGRAMS))) $(DESTDIR)$(PREFIX)/lib/libskiff.a
	rm -rf $(DESTDIR)$(PREFIX)/include/skiff
format:
	clang-format -i $$(git ls-files '*.h' '*.cpp' '*.cu')
clean:
	rm -rf build

help:
	@echo 'make            the programs, into $(BUILD)'
	@echo 'make deps       install the packages (apt)'
	@echo 'make demo       generate data, train a SKI-TNN, report (a few minutes)'
	@echo 'make test       the tests; the last line is "N passed, N failed"'
	@echo 'make test-slow  the long ones'
	@echo 'make test-cuda-host  the CUDA half without a GPU, under an emulation (needs the headers of a toolkit)'
	@echo 'make test-barriers   takes out each barrier of the CUDA half; the emulated tests must notice every one'
	@echo 'make test-cuda-static  the CUDA build: registers, occupancy, PTX; needs nvcc, no GPU'
	@echo 'make test-gpu   all tests on a GPU;  make bench-gpu: operators against the floors of the hardware'
	@echo 'make gradcheck  check the derivative of every op, or OP=rfft'
	@echo 'make golden     compare with the reference tensors'
	@echo 'make bench      time operators, layers and steps against the floor of the hardware; ARGS="--n 1024 --threads 1"'
	@echo 'make mutants    plant bugs in copies of the ops; the checks must catch every one'
	@echo 'make report     one HTML file: kernels, spectra, gradients, planted bugs; RUN=DIR takes the kernels of that run'
	@echo 'make puzzles    grade the twelve backwards of examples/puzzles, or P=06; SOLUTIONS=1 grades the solutions'
	@echo 'make layering   includes follow the arrow'
	@echo 'make lib install uninstall   PREFIX=$(PREFIX) DESTDIR='
	@echo 'make format clean help'
	@echo 'variants: CXX=clang++  CUDA=1  SAN=1 (address + undefined)  FFT=builtin (no FFTW)  ORDER=reverse  ARCH=x86-64-v2  WERROR=1  V=1'

.PHONY: all deps demo test test-slow test-cuda-host test-barriers cuda-host test-cuda-static test-gpu bench-gpu gradcheck golden bench mutants report puzzles layering lib install uninstall format clean help
.SECONDARY:
-include $(wildcard $(BUILD)/tests/mutants/*.d) $(PUZZLE_OBJECTS:.o=.d) $(OBJECTS:.o=.d) $(TEST_OBJECTS:.o=.d) $(SHARED_OBJECTS:.o=.d) $(PROGRAM_OBJECTS:.o=.d)
