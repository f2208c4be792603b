# The CUDA half, compiled by g++ and linked with the emulation in place of NVIDIA's libraries. Only
# the toolkit's headers are used. Files without kernels are those of the CPU build.
HOST     := build/cuda-host$(if $(filter 1,$(SAN)),-san)
CUDA_HEADERS ?= $(patsubst %/cuda_runtime.h,%,$(firstword $(wildcard $(addsuffix /include/cuda_runtime.h,$(CUDA_HOME) $(patsubst %/bin/,%,$(dir $(shell command -v $(NVCC) 2>/dev/null))) /usr/local/cuda))))
ifeq ($(CUDA_HEADERS),)
$(error the CUDA emulation needs the headers of a CUDA toolkit (12 or newer): set CUDA_HOME)
endif
HOST_FLAGS := $(patsubst -O3,-O1,$(FLAGS)) -Wno-unknown-pragmas -isystem $(CUDA_HEADERS) -DSKIFF_CUDA -DSKIFF_CUDA_HOST -include tests/cuda_host/device.h -x c++
HOST_LIBS := -Wl,--wrap=aligned_alloc,--wrap=free

# As for nvcc: files that see a kernel; and the block cache, which keeps nothing here.
HOST_SEES := $(filter $(SOURCES) $(TESTS),$(call affected,"core/parallel[.]h"))
HOST_SOURCES := $(sort $(wildcard core/cuda/*.cu tests/cuda_host/*.cpp) $(HOST_SEES) core/memory.cpp)
HOST_OBJECTS := $(addprefix $(HOST)/,$(addsuffix .o,$(basename $(HOST_SOURCES))))
HOST_LIBRARY := $(filter-out $(HOST)/tests/%,$(HOST_OBJECTS)) $(patsubst %,$(HOST)/tests/cuda_host/%.o,fiber grid libraries memory runtime) \
                $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(filter-out core/cuda/none.cpp $(HOST_SOURCES),$(SOURCES)))))
HOST_TESTS := main core/test_cuda core/test_rows
HOST_PROGRAMS := $(addprefix $(HOST)/,golden gradcheck train_lra train_lra_cached lra_data cuda_tests faults)

$(HOST_OBJECTS): | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(call say,$(CXX) $(firstword $(wildcard $(@:$(HOST)/%.o=%.cu) $(@:$(HOST)/%.o=%.cpp))) (emulated))
	$(run)$(CXX) $(HOST_FLAGS) -MMD -MP -c $(firstword $(wildcard $(@:$(HOST)/%.o=%.cu) $(@:$(HOST)/%.o=%.cpp))) -o $@
$(HOST)/golden: $(BUILD)/tests/golden/golden.o $(HOST_LIBRARY) $(BUILD)/libshared.a
$(HOST)/gradcheck $(HOST)/train_lra $(HOST)/lra_data: $(HOST)/%: $(BUILD)/examples/%.o $(HOST_LIBRARY) $(BUILD)/libshared.a
# With the block cache of the product, which hands blocks out again in the order of the stream.
$(HOST)/train_lra_cached: $(BUILD)/examples/train_lra.o $(patsubst $(HOST)/core/memory.o,$(BUILD)/core/memory.o,$(HOST_LIBRARY)) $(BUILD)/libshared.a
$(HOST)/cuda_tests: $(foreach t,$(HOST_TESTS),$(if $(filter tests/$t.cpp,$(HOST_SOURCES)),$(HOST),$(BUILD))/tests/$t.o) $(HOST_LIBRARY)
$(HOST)/faults: $(HOST)/tests/cuda_host/faults.o $(HOST_LIBRARY)
$(HOST_PROGRAMS):
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) $(HOST_LIBS) -o $@

cuda-host: $(HOST_PROGRAMS)
-include $(HOST_OBJECTS:.o=.d)
