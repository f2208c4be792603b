# ---- the parsers for libFuzzer: instrumented by clang, under sanitizers, in a folder of their own ----
FUZZ_CXX ?= clang++
FUZZ_OPT ?= -O2
fuzz:
	+@$(MAKE) --no-print-directory CXX="$(FUZZ_CXX)" SAN=1 PCH=0 EXTRA="$(FUZZ_OPT) -fsanitize=fuzzer-no-link" BUILD=build/fuzz build/fuzz/fuzz
.PHONY: fuzz
$(BUILD)/fuzz: $(filter $(BUILD)/core/% $(BUILD)/data/%,$(OBJECTS)) $(addprefix $(COMMON)/,examples/train/config_file.o tests/campaign/fuzz/targets.o)
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@
