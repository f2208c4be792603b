# skiff. `make help` lists what can be built; no file has to be listed here to be compiled.
CXX      ?= g++
NVCC     ?= nvcc
# The processor to compile for. What is installed has to run on other machines, too.
PORTABLE := $(if $(filter x86_64,$(shell uname -m)),x86-64-v3,native)
ARCH     ?= $(if $(filter install,$(MAKECMDGOALS)),$(PORTABLE),native)
CUDA     ?= 0
MPI      ?= 0
MPICC    ?= mpicc
NCCL     ?= 0
FFT      ?= fftw
SAN      ?= 0
OPT      ?= -O3
ORDER    ?= forward
WERROR   ?= 0
PCH      ?= 1
V        ?= 0
PREFIX   ?= /usr/local
EXTRA    ?=
COMMA    := ,
# All cores, unless told otherwise with -j.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

# ---- one folder per variant, so that none spoils another ----
WITH_FFTW := $(filter-out builtin,$(FFT))
CLANG    := $(findstring clang,$(CXX))
VARIANT  := $(if $(filter 1,$(SAN)),-san)$(if $(filter reverse,$(ORDER)),-reverse)$(if $(CLANG),-clang)$(ARCH:%=-%)
VARIANT  := $(patsubst %-native,%,$(VARIANT))
WITH_MPI := $(if $(filter 1,$(MPI)),-mpi$(subst .,-,$(patsubst mpicc%,%,$(notdir $(MPICC)))))
BUILD    ?= build/$(if $(filter 1,$(CUDA)),cuda,cpu)$(if $(WITH_FFTW),,-builtin)$(WITH_MPI)$(if $(filter 1,$(NCCL)),-nccl)$(VARIANT)
# CUDA=1, FFT=builtin and MPI=1 change few objects; the others are those of the build without them.
COMMON   := $(if $(filter file,$(origin BUILD)),build/cpu$(VARIANT),$(BUILD))
# `make clean all` cleans first; it then builds one file at a time.
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

WARNINGS := -Wall -Wextra -Wno-missing-field-initializers$(if $(CLANG),, -Wno-restrict)$(if $(filter 1,$(WERROR)), -Werror)
WARNINGS += $(if $(CLANG),-Wno-unknown-warning-option -Wno-pass-failed)
# Nothing here reads the flags of floating-point exceptions. Without -fno-trapping-math (which changes no
# result) gcc leaves loops with a comparison, so every exp, unvectorised where AVX-512's masks are missing.
FLAGS    := -std=c++20 $(OPT) -g1 -march=$(ARCH) -fno-trapping-math $(WARNINGS) -fopenmp -I. $(EXTRA)
ifeq ($(SAN),1)
FLAGS    := -std=c++20 -O1 -g1 -march=$(ARCH) $(WARNINGS) -fopenmp -I. $(EXTRA) -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# g++ says by this macro that there is a sanitizer, clang does not; tensors then keep no freed memory.
FLAGS    += $(if $(CLANG),-D__SANITIZE_ADDRESS__)
# clang's OpenMP keeps a little memory to the end of a program.
export LSAN_OPTIONS := suppressions=$(CURDIR)/tests/support/libomp.supp:print_suppressions=0
endif
FLAGS    += $(if $(filter reverse,$(ORDER)),-DSKIFF_ORDER_REVERSE)
# Under sanitizers a program has two million addresses that a start anywhere in memory would have to change.
LIBS     := $(if $(filter 1,$(SAN)),-no-pie )-lopenblas $(if $(WITH_FFTW),-lfftw3 -lfftw3f )-lpng -larchive -lz

# The folders decide: library, what programs share, programs, tests.
FOLDERS  := core autograd layers optim data
SOURCES  := $(sort $(filter-out core/fft/$(if $(WITH_FFTW),no_)fftw.cpp core/processes_$(if $(WITH_MPI),none,mpi).cpp core/$(if $(filter 1,$(NCCL)),no_)nccl.cpp,$(shell find $(FOLDERS) -name '*.cpp')))
SHARED   := $(sort $(filter-out examples/puzzles/0% examples/puzzles/1% examples/puzzles/grade.cpp,$(wildcard examples/*/*.cpp)))
MAINS    := $(wildcard examples/*.cpp) tests/golden/golden.cpp
PUZZLES  := $(filter-out $(SHARED),$(wildcard examples/puzzles/*.cpp tests/puzzles/*.cpp))
TESTS    := $(sort tests/main.cpp $(wildcard $(patsubst %,tests/%/*.cpp,$(FOLDERS) data/language examples support)))
# $(call affected,PATTERN): the sources that contain it or include a header that does, directly or not.
affected  = $(shell seen='$(1)'; for level in 1 2 3; do \
              headers=$$(grep -rlE "$$seen" --include='*.h' $(FOLDERS) examples tests/support) && seen="$(1)$$(printf '|"%s"' $$headers)"; done; \
              grep -lE "$$seen" $(SOURCES) $(SHARED) $(MAINS) $(TESTS) $(PUZZLES))
OWN      := # sources whose objects CUDA=1, FFT=builtin or MPI=1 change
OWN_FLAGS :=
NVCC_SOURCES :=
ifeq ($(WITH_FFTW),)
OWN      += $(call affected,SKIFF_NO_FFTW)
OWN_FLAGS += -DSKIFF_NO_FFTW
endif
ifneq ($(WITH_MPI),)
# Asked when it is needed: `make deps MPI=1` installs mpicc first.
MPI_SAYS  = $(shell $(MPICC) -show)
OWN      += core/processes_mpi.cpp
WITHOUT_MPI := $(LIBS)
LIBS      = $(WITHOUT_MPI) $(filter -L% -l% -Wl%,$(MPI_SAYS))
endif
ifeq ($(NCCL),1)
ifneq ($(CUDA)$(MPI),11)
$(error NCCL=1 needs CUDA=1 MPI=1: NCCL carries the messages between GPUs, MPI starts the processes)
endif
OWN      += core/nccl.cpp
endif
ifeq ($(CUDA),1)
SOURCES  := $(filter-out core/cuda/none.cpp,$(SOURCES))
CUDA_HOME ?= $(patsubst %/bin/,%,$(dir $(shell command -v $(NVCC) 2>/dev/null)))
ifeq ($(CUDA_HOME),)
$(error CUDA=1 needs nvcc: put the bin folder of a CUDA toolkit (12 or newer) into PATH, or set NVCC)
endif
# One pass over the source for all GPUs: no kernel here uses what only newer ones have.
CUDA_ARCHS ?= -gencode arch=compute_80,code=[sm_80,sm_90,compute_80]
NVCCFLAGS := -x cu --extended-lambda -std=c++20 -O3 -lineinfo $(CUDA_ARCHS) -DSKIFF_CUDA $(OWN_FLAGS) -I. -diag-suppress 177 \
             -Xcompiler -fopenmp,-fno-trapping-math,-Wall,-march=$(ARCH) $(if $(filter 1,$(WERROR)),-Werror all-warnings)
LIBS     += -L$(CUDA_HOME)/lib64 -Wl,-rpath,$(CUDA_HOME)/lib64 -lcublas -lcufft -lcudart
ifeq ($(NCCL),1)  # not part of Debian or of the toolkit; NCCL_HOME is where it was unpacked
LIBS     += $(if $(NCCL_HOME),-L$(NCCL_HOME)/lib -Wl$(COMMA)-rpath$(COMMA)$(NCCL_HOME)/lib) -lnccl
endif
# Files that see a kernel go through nvcc; g++ compiles again what else depends on SKIFF_CUDA.
NVCC_SOURCES := $(wildcard core/cuda/*.cu) $(call affected,"core/parallel[.]h")
OWN      += $(NVCC_SOURCES) $(call affected,SKIFF_CUDA\b)
OWN_FLAGS += -DSKIFF_CUDA
endif
objects   = $(patsubst %,$(BUILD)/%.o,$(basename $(filter $(OWN),$(1)))) $(patsubst %,$(COMMON)/%.o,$(basename $(filter-out $(OWN),$(1))))
OBJECTS  := $(call objects,$(SOURCES) $(wildcard $(filter %.cu,$(NVCC_SOURCES))))
TEST_OBJECTS := $(call objects,$(TESTS))
MADE     := $(COMMON)/examples/explain/derivations.o $(COMMON)/examples/report/templates.o
SHARED_OBJECTS := $(call objects,$(SHARED)) $(MADE)
PROGRAM_OBJECTS := $(call objects,$(MAINS))
PUZZLE_OBJECTS := $(call objects,$(PUZZLES))
NVCC_OBJECTS := $(patsubst %,$(BUILD)/%.o,$(basename $(NVCC_SOURCES)))
PROGRAMS := $(addprefix $(BUILD)/,$(notdir $(basename $(MAINS))))
GRADERS  := $(BUILD)/puzzles/grade-examples $(BUILD)/puzzles/grade-tests
# The time is spent in the library. Lower levels halve what it takes to compile programs (-O1) and tests (-O0); under
# sanitizers, which double it, all but core and autograd is -O0. There programs and tests leave out four checks, which make
# up half of their code; the library keeps them. The address sanitizer reports most of what they would find.
FEWER    := $(if $(filter 1,$(SAN)), -fno-sanitize=null$(COMMA)alignment$(COMMA)object-size$(COMMA)vptr)
flags     = $(patsubst -O3,-O1,$(patsubst -O1,-O0,$(FLAGS)))$(FEWER)
say       = $(if $(filter 0,$(V)),@printf '  %s\n' '$(1)';)
run       = $(if $(filter 0,$(V)),@)

all: $(PROGRAMS)

# ---- compiling ----
$(if $(filter 1,$(SAN)),$(filter $(BUILD)/core/% $(BUILD)/autograd/%,$(OBJECTS)),$(OBJECTS)): flags = $(FLAGS)
$(if $(filter 1,$(SAN)),$(filter $(BUILD)/layers/% $(BUILD)/optim/% $(BUILD)/data/%,$(OBJECTS))): flags = $(patsubst -O1,-O0,$(FLAGS))
$(BUILD)/core/nccl.o: flags = $(FLAGS) -isystem $(CUDA_HOME)/include $(if $(NCCL_HOME),-isystem $(NCCL_HOME)/include)
$(BUILD)/core/processes_mpi.o: flags = $(FLAGS) $(filter -I%,$(MPI_SAYS))
$(TEST_OBJECTS): flags = $(patsubst -O3,-O0,$(patsubst -O1,-O0,$(FLAGS)))$(FEWER)
# What was compiled with other flags is compiled again. (WERROR changes no object.)
STAMP    := $(COMMON)/.flags
COMPILED := $(lastword $(CXX)) $(filter-out -Werror,$(FLAGS))
ifneq ($(strip $(COMPILED)),$(shell cat $(STAMP) 2>/dev/null))
.PHONY: $(STAMP)
endif
$(STAMP):
	$(shell mkdir -p $(@D))$(file >$@,$(strip $(COMPILED)))@:
# The headers of the standard library that most files need, compiled once per optimisation level: a quarter of the time
# of a typical file. With PCH=0 each file sees only what it includes itself.
STANDARD := algorithm cmath cstdint cstring filesystem functional map memory optional span sstream string variant vector
PCHS     := $(if $(filter 1,$(PCH)),$(patsubst %,$(COMMON)/pch%/standard.h.gch,$(sort -O0 -O1 $(OPT))))
pch       = $(if $(PCHS),$(COMMON)/pch$(filter -O%,$(flags))/standard.h)
$(PCHS): $(COMMON)/pch%/standard.h.gch: $(STAMP) | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(run)printf '#include <%s>\n' $(STANDARD) >$(@:.gch=)
	$(run)$(CXX) $(patsubst -O%,$*,$(FLAGS)) -x c++-header $(@:.gch=) -o $@
define compile
@mkdir -p $(@D)
$(call say,$(CXX) $<)
$(run)$(CXX) $(flags) $(addprefix -include ,$(pch)) $(if $(filter $(OWN),$<),$(OWN_FLAGS)) -MMD -MP -c $< -o $@
endef
CXX_OBJECTS := $(filter-out $(NVCC_OBJECTS),$(OBJECTS) $(TEST_OBJECTS) $(SHARED_OBJECTS) $(PROGRAM_OBJECTS) $(PUZZLE_OBJECTS) $(COMMON)/tests/distributed/probe.o $(COMMON)/tests/campaign/fuzz/targets.o)
$(filter $(BUILD)/%,$(filter-out $(MADE),$(CXX_OBJECTS))): $(BUILD)/%.o: %.cpp $(STAMP) | $(BUILD)/.packages
	$(compile)
$(CXX_OBJECTS): | $(PCHS)
ifneq ($(COMMON),$(BUILD))
$(filter $(COMMON)/%,$(filter-out $(MADE),$(CXX_OBJECTS))): $(COMMON)/%.o: %.cpp $(STAMP) | $(BUILD)/.packages
	$(compile)
endif
$(NVCC_OBJECTS): | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(call say,nvcc $(patsubst $(BUILD)/%.o,%,$@))
	$(run)$(NVCC) $(NVCCFLAGS) -Xptxas -v -MMD -MP -c $(firstword $(wildcard $(@:$(BUILD)/%.o=%.cu) $(@:$(BUILD)/%.o=%.cpp))) -o $@ 2>$(@:.o=.ptxas) \
	  || { cat $(@:.o=.ptxas) >&2; exit 1; }; grep -v '^ptxas info\|bytes stack frame\|^$$' $(@:.o=.ptxas) >&2 || true
# The comments on top of the ops and the words of the report, as text for the programs that show them.
$(COMMON)/examples/explain/derivations.cpp: examples/explain/derivations.awk $(wildcard autograd/ops/*/*.cpp)
$(COMMON)/examples/report/templates.cpp: examples/report/templates.awk $(wildcard examples/report/templates/*)
$(MADE:.o=.cpp):
	@mkdir -p $(@D)
	$(run)awk -f $^ > $@
$(MADE): %.o: %.cpp $(STAMP) | $(BUILD)/.packages
	$(compile)
# What programs share: a program takes from the archive what it uses.
$(BUILD)/libshared.a: $(SHARED_OBJECTS)
	$(run)rm -f $@ && ar rcs $@ $^
# Of inline functions the linker keeps the first, so the library comes first.
$(BUILD)/golden: $(OBJECTS) $(COMMON)/tests/golden/golden.o $(BUILD)/libshared.a
# gradcheck and explain know ops alone, so that a new op does not compile the layers and the other programs for them.
OP_OBJECTS := $(filter-out $(BUILD)/layers/% $(BUILD)/optim/% $(COMMON)/layers/% $(COMMON)/optim/%,$(OBJECTS))
OP_SHARED := $(foreach o,$(SHARED_OBJECTS),$(if $(or $(findstring /examples/explain/,$o),$(findstring /examples/program/,$o)),$o))
needs     = $(if $(filter gradcheck explain,$(1)),$(OP_OBJECTS),$(OBJECTS)) $(call objects,examples/$(1).cpp) $(if $(filter gradcheck explain,$(1)),$(OP_SHARED),$(BUILD)/libshared.a)
$(foreach p,$(notdir $(basename $(filter examples/%,$(MAINS)))),$(eval $(BUILD)/$p: $(call needs,$p)))
$(BUILD)/skiff_tests: $(OBJECTS) $(TEST_OBJECTS) $(BUILD)/libshared.a
$(PROGRAMS) $(BUILD)/skiff_tests:
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
# The library for others: one object, so that a linker always takes all of it, with the op table whole; and its
# inline functions are its own, so that none of a client compiled with other flags comes in their place. Data of
# inline functions (static variables, type information) stays shared with the client.
$(BUILD)/libskiff.a: $(OBJECTS)
	$(call say,link $@)
	$(run)ld -r --force-group-allocation $^ -o $(@:.a=.o) && nm $(@:.a=.o) | awk '$$2 == "W" { print $$3 }' >$(@:.a=.local) && \
	  objcopy --strip-debug --localize-symbols=$(@:.a=.local) $(@:.a=.o) && rm -f $@ && ar rcs $@ $(@:.a=.o)

# ---- packages ----
MPI_PACKAGES := $(if $(WITH_MPI),$(if $(findstring mpich,$(MPICC)),libmpich-dev mpich,libopenmpi-dev openmpi-bin))
PACKAGES := g++ libopenblas-openmp-dev $(if $(WITH_FFTW),libfftw3-dev )doctest-dev libcli11-dev nlohmann-json3-dev zlib1g-dev libpng-dev libarchive-dev patch $(MPI_PACKAGES)
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)
deps:
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(PACKAGES)

# `make deps test` installs before it compiles, also with -j.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
$(BUILD)/.packages: | deps
endif

# One line that names what is missing, with the command that installs it.
$(BUILD)/.packages:
	@mkdir -p $(@D); missing=; \
	for pair in cblas.h:libopenblas-openmp-dev $(if $(WITH_FFTW),fftw3.h:libfftw3-dev )doctest/doctest.h:doctest-dev CLI/CLI.hpp:libcli11-dev nlohmann/json.hpp:nlohmann-json3-dev zlib.h:zlib1g-dev png.h:libpng-dev archive.h:libarchive-dev; do \
	  printf '#include <%s>\n' $${pair%%:*} | $(CXX) -std=c++20 -fsyntax-only -x c++ - 2>/dev/null || missing="$$missing $${pair##*:}"; done; \
	$(if $(WITH_MPI),command -v $(MPICC) >/dev/null || missing="$$missing $(MPI_PACKAGES)"; )\
	if [ -n "$$missing" ]; then echo "error: missing packages:$$missing; 'make deps$(if $(WITH_MPI), MPI=1 MPICC=$(MPICC))' installs them (apt-get install$$missing)" >&2; exit 1; fi; touch $@

# ---- the CUDA half without a GPU ----
ifneq ($(filter cuda-host build/cuda-host%,$(MAKECMDGOALS)),)
include tests/cuda_host/build.mk
endif

# ---- running ----
DEMO := build/demo
demo: all
	./examples/demo.sh $(BUILD) $(DEMO)
demo-lm: $(BUILD)/train_lm
	./examples/demo_lm.sh $(BUILD) $(DEMO)-lm
results-table: $(BUILD)/results
	@$(BUILD)/results table --kept examples/results
tests: $(BUILD)/skiff_tests $(GRADERS)
test: tests all
	SKIFF_PROGRAMS=$(BUILD) $(BUILD)/skiff_tests --test-case-exclude='slow:*' $(if $(ARGS),'$(ARGS)')
test-slow: $(BUILD)/skiff_tests all
	SKIFF_PROGRAMS=$(BUILD) $(BUILD)/skiff_tests --test-case='slow:*'
test-random: $(BUILD)/generate $(BUILD)/train_lm
	tests/random/generate.sh $(BUILD) $(or $(FOR),600) $(SEED)
test-gpu:
	$(MAKE) CUDA=1 all tests
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

# ---- planted bugs, several processes, the report, puzzles: how each is made is said beside it ----
include tests/mutants/build.mk
include tests/campaign/build.mk
include tests/distributed/build.mk
include examples/report/build.mk
include examples/puzzles/build.mk

# core <- autograd <- layers <- optim, data <- examples, tests
layering:
	@bad=0; forbid() { if grep -nE "^#include \"($$2)/" $$(find $$1 -name '*.h' -o -name '*.cpp' -o -name '*.cu') /dev/null; then \
	  echo "error: $$1 must not include from $$2" >&2; bad=1; fi; }; \
	forbid core 'autograd|layers|optim|data|examples|tests'; forbid autograd 'layers|optim|data|examples|tests'; \
	forbid layers 'optim|data|examples|tests'; forbid optim 'data|examples|tests'; forbid data 'autograd|layers|optim|examples|tests'; \
	forbid examples 'tests'; [ $$bad = 0 ] && echo "layering: includes follow the arrow"

lib: $(BUILD)/libskiff.a
# Programs to be read or to test the project itself are left out.
install: all lib
	@DESTDIR='$(DESTDIR)' CXX='$(CXX)' .ci/install.sh $(BUILD) '$(PREFIX)' '$(LIBS)' $(notdir $(filter-out %/golden %/bench_gpu $(BUILD)/minimal_%,$(PROGRAMS)))
uninstall:
	@DESTDIR='$(DESTDIR)' .ci/install.sh --remove '$(PREFIX)'

# ---- sources ----
FORMATTED = $(shell find $(FOLDERS) examples tests -name '*.h' -o -name '*.cpp' -o -name '*.cu')
format:
	clang-format -i $(FORMATTED)
format-check:
	@clang-format --dry-run -Werror $(FORMATTED) && echo 'format: every file is as clang-format writes it'
# How make compiles each file, for editors and for clang-tidy.
compdb:
	@{ echo '['; printf '{"directory": "$(CURDIR)", "file": "%s", "command": "$(CXX) $(FLAGS) $(OWN_FLAGS) -c %s"}\n' \
	  $(foreach f,$(filter-out $(NVCC_SOURCES),$(SOURCES) $(SHARED) $(MAINS) $(TESTS)),$f $f) | sed '$$!s/$$/,/'; echo ']'; } >compile_commands.json
tidy: compdb
	printf '%s\n' $(or $(FILES),$(SOURCES) $(SHARED) $(MAINS)) | xargs -P $$(nproc) -n 1 clang-tidy -p . --quiet --warnings-as-errors='*'
clean:
	rm -rf build compile_commands.json

help:
	@echo 'make            the programs, into $(BUILD)'
	@echo 'make deps       install the packages (apt)'
	@echo 'make demo       generate data, train a SKI-TNN, report (a few minutes)'
	@echo 'make demo-lm    train a language model on the sources of this project (half a minute on two cores); MIXER=fd'
	@echo 'make results-table   print the table of the results kept in examples/results'
	@echo 'make test       the tests; the last line is "N passed, N failed"; ARGS="--test-case=*ski*" runs some'
	@echo 'make test MPI=1  several processes under mpirun, too; tests/distributed/two_hosts.sh build/cpu-mpi: two hosts on one'
	@echo 'make test-slow  the long ones'
	@echo 'make test-cuda-host  the CUDA half without a GPU, under an emulation (needs the headers of a toolkit)'
	@echo 'make test-random     random command lines of generate for FOR=600 seconds; best with SAN=1'
	@echo 'make fuzz       the parsers for libFuzzer, with clang; then tests/campaign/fuzz.sh build/fuzz 60'
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
	@echo 'make lib        libskiff.a, the library as one object'
	@echo 'make install    library, headers, skiff.pc and programs (as skiff-NAME), for any processor with AVX2 or, with ARCH=native,'
	@echo '                for this one; PREFIX=$(PREFIX) DESTDIR=;  make uninstall removes what it wrote'
	@echo 'make format     writes every file as .clang-format says;  make format-check: whether they are'
	@echo 'make compdb     compile_commands.json;  make tidy: clang-tidy, of all files or of FILES="core/tensor.cpp"'
	@echo 'make clean      removes build/'
	@echo 'variants: CXX=clang++  CUDA=1  MPI=1 (several processes; MPICC=mpicc.mpich; with CUDA=1 also NCCL=1)  SAN=1 (address + undefined)  FFT=builtin (no FFTW)  ORDER=reverse  ARCH=x86-64-v2  WERROR=1  V=1  PCH=0'

.DELETE_ON_ERROR:
.PHONY: all deps demo demo-lm results-table tests test test-slow test-random test-cuda-host test-barriers cuda-host test-cuda-static test-gpu bench-gpu gradcheck golden bench mutants report puzzles layering lib install uninstall format format-check compdb tidy clean help
.PRECIOUS: %.o
-include $(wildcard $(BUILD)/tests/mutants/*.d) $(patsubst %.o,%.d,$(OBJECTS) $(TEST_OBJECTS) $(SHARED_OBJECTS) $(PROGRAM_OBJECTS) $(PUZZLE_OBJECTS) $(COMMON)/tests/distributed/probe.o $(COMMON)/tests/campaign/fuzz/targets.o)
