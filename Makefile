# skiff. `make help` lists the targets.
CXX      ?= g++
ARCH     ?= native
CUDA     ?= 0
SAN      ?= 0
ORDER    ?= forward
V        ?= 0

# One folder per variant, so that none spoils another.
VARIANT  := cpu
ifneq ($(SAN),0)
VARIANT  := $(VARIANT)-san
endif
ifneq ($(ORDER),forward)
VARIANT  := $(VARIANT)-$(ORDER)
endif
ifneq ($(findstring clang,$(CXX)),)
VARIANT  := $(VARIANT)-clang
endif
BUILD    ?= build/$(VARIANT)

FLAGS    := -std=c++20 -O3 -g1 -march=$(ARCH) -Wall -Wextra -Wno-missing-field-initializers -fopenmp -I. -MMD -MP $(EXTRA)
LIBS     := -lopenblas -lfftw3 -lfftw3f -lz
ifneq ($(SAN),0)
FLAGS    := $(subst -O3,-O1,$(FLAGS)) -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ifeq ($(ORDER),reverse)
FLAGS    += -DSKIFF_ORDER_REVERSE
endif

SOURCES  := $(wildcard core/*.cpp autograd/*.cpp autograd/ops/*.cpp layers/*.cpp optim/*.cpp data/*.cpp)
PROGRAMS := $(patsubst examples/%.cpp,$(BUILD)/%,$(wildcard examples/*.cpp))
TESTS    := $(wildcard tests/*.cpp)
OBJECTS  := $(SOURCES:%.cpp=$(BUILD)/%.o)
TEST_OBJECTS := $(TESTS:%.cpp=$(BUILD)/%.o)

quiet = $(if $(filter 0,$(V)),@echo '  $(1)' && )

all: $(PROGRAMS)

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	$(call quiet,$(CXX) $<)$(CXX) $(FLAGS) -c $< -o $@
$(BUILD)/%: $(BUILD)/examples/%.o $(OBJECTS)
	$(call quiet,link $@)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
$(BUILD)/skiff_tests: $(TEST_OBJECTS) $(OBJECTS)
	$(call quiet,link $@)$(CXX) $(FLAGS) $^ $(LIBS) -o $@

test: $(BUILD)/skiff_tests all
	$(BUILD)/skiff_tests

clean:
	rm -rf build

.PHONY: all test clean
.SECONDARY:
-include $(OBJECTS:.o=.d) $(TEST_OBJECTS:.o=.d) $(PROGRAMS:$(BUILD)/%=$(BUILD)/examples/%.d)
