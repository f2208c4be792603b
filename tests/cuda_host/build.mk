# The CUDA half, compiled by g++ and linked with the emulation in place of NVIDIA's libraries. Only
# the toolkit's headers are used. Files without kernels are those of the CPU build.
# With MPI=1 NCCL has a stand-in, too, and two processes are two GPUs; all but NCCL is compiled once for both.
HOST     := build/cuda-host$(if $(filter 1,$(SAN)),-san)
HOST_OUT := build/cuda-host$(if $(WITH_MPI),-mpi)$(if $(filter 1,$(SAN)),-san)
CUDA_HEADERS ?= $(patsubst %/cuda_runtime.h,%,$(firstword $(wildcard $(addsuffix /include/cuda_runtime.h,$(CUDA_HOME) $(patsubst %/bin/,%,$(dir $(shell command -v $(NVCC) 2>/dev/null))) /usr/local/cuda))))
ifeq ($(CUDA_HEADERS),)
$(error the CUDA emulation needs the headers of a CUDA toolkit (12 or newer): set CUDA_HOME)
endif
HOST_FLAGS := $(patsubst -O3,-O1,$(FLAGS)) -Wno-unknown-pragmas -isystem $(CUDA_HEADERS) -DSKIFF_CUDA -DSKIFF_CUDA_HOST -include tests/cuda_host/device.h -x c++
HOST_LIBS := -Wl,--wrap=aligned_alloc,--wrap=free

# As for nvcc: files that see a kernel; and the block cache, which keeps nothing here.
HOST_SEES := $(filter $(SOURCES) $(TESTS),$(call affected,"core/parallel[.]h"))
HOST_NCCL := core/nccl.cpp tests/cuda_host/nccl.cpp
HOST_SOURCES := $(sort $(filter-out $(HOST_NCCL),$(wildcard core/cuda/*.cu tests/cuda_host/*.cpp)) $(HOST_SEES) core/memory.cpp $(if $(WITH_MPI),$(HOST_NCCL)))
HOST_OBJECTS := $(addprefix $(HOST)/,$(addsuffix .o,$(basename $(HOST_SOURCES))))
HOST_LIBRARY := $(filter-out $(HOST)/tests/%,$(HOST_OBJECTS)) $(patsubst %,$(HOST)/tests/cuda_host/%.o,fiber grid libraries memory runtime $(if $(WITH_MPI),nccl)) \
                $(call objects,$(filter-out core/cuda/none.cpp $(if $(WITH_MPI),core/no_nccl.cpp) $(HOST_SOURCES),$(SOURCES)))
HOST_TESTS := main core/test_cuda core/test_rows
HOST_PROGRAMS := $(addprefix $(HOST_OUT)/,golden gradcheck train_lra train_lra_cached lra_data cuda_tests faults)

$(patsubst %.cpp,$(HOST)/%.o,$(HOST_NCCL)): HOST_FLAGS += -Itests/cuda_host $(filter -I%,$(MPI_SAYS))
$(HOST_OBJECTS): $(STAMP) | $(BUILD)/.packages
	@mkdir -p $(@D)
	$(call say,$(CXX) $(firstword $(wildcard $(@:$(HOST)/%.o=%.cu) $(@:$(HOST)/%.o=%.cpp))) (emulated))
	$(run)$(CXX) $(HOST_FLAGS) -MMD -MP -c $(firstword $(wildcard $(@:$(HOST)/%.o=%.cu) $(@:$(HOST)/%.o=%.cpp))) -o $@
$(HOST_OUT)/golden: $(COMMON)/tests/golden/golden.o $(HOST_LIBRARY) $(BUILD)/libshared.a
$(HOST_OUT)/gradcheck $(HOST_OUT)/train_lra $(HOST_OUT)/lra_data: $(HOST_OUT)/%: $(COMMON)/examples/%.o $(HOST_LIBRARY) $(BUILD)/libshared.a
# With the block cache of the product, which hands blocks out again in the order of the stream.
$(HOST_OUT)/train_lra_cached: $(COMMON)/examples/train_lra.o $(patsubst $(HOST)/core/memory.o,$(BUILD)/core/memory.o,$(HOST_LIBRARY)) $(BUILD)/libshared.a
$(HOST_OUT)/cuda_tests: $(foreach t,$(HOST_TESTS),$(if $(filter tests/$t.cpp,$(HOST_SOURCES)),$(HOST),$(COMMON))/tests/$t.o) $(HOST_LIBRARY)
$(HOST_OUT)/faults: $(HOST)/tests/cuda_host/faults.o $(HOST_LIBRARY)
$(HOST_PROGRAMS):
	@mkdir -p $(@D)
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) $(HOST_LIBS) -o $@

cuda-host: $(HOST_PROGRAMS)
-include $(HOST_OBJECTS:.o=.d)
