# ---- fuzzing: clang's libFuzzer, on objects compiled with its counters; tests/campaign/fuzz/run asks for it ----
FUZZED   := $(patsubst %.cpp,$(BUILD)/%.o,examples/train/config_file.cpp examples/train/metrics.cpp $(wildcard examples/charts/*.cpp))
$(BUILD)/tests/campaign/fuzz/targets.o: tests/campaign/fuzz/targets.cpp | $(BUILD)/.packages
	$(compile)
$(BUILD)/fuzz: $(OBJECTS) $(FUZZED) $(BUILD)/tests/campaign/fuzz/targets.o
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@
