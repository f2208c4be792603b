# ---- planted bugs: each patch of tests/mutants, in a copy, must be caught by the checks ----
MUTANTS  := $(patsubst tests/mutants/%.patch,$(BUILD)/mutants/%.json,$(wildcard tests/mutants/*.patch))
SHOWN_MUTANTS := $(patsubst tests/mutants/%.patch,$(BUILD)/mutants/%.json,$(shell grep -l '^report: yes' tests/mutants/*.patch))
MUTANT_OBJECTS := $(filter $(BUILD)/core/% $(BUILD)/autograd/% $(BUILD)/layers/% $(BUILD)/data/%,$(OBJECTS)) \
                  $(addprefix $(BUILD)/,optim/shards.o optim/exchange.o optim/adam.o optim/average.o examples/program/signals.o $(patsubst %,examples/train/%.o,coroutine gradients in_turn)) \
                  $(addprefix $(BUILD)/tests/,mutants/check.o core/test_values.o autograd/test_tape.o autograd/test_forgetting.o autograd/test_sequence_ops.o autograd/test_ops_generic.o autograd/test_network_ops.o \
                    layers/test_causal_sum.o layers/test_generator.o layers/test_mixers.o data/language/test_windows.o data/language/test_corpus.o data/test_batches.o \
                    optim/test_shards.o optim/test_exchange.o optim/test_average.o layers/test_kernel_inputs.o layers/test_shard_pass.o examples/test_gradients.o)
$(BUILD)/tests/mutants/check.o: tests/mutants/check.cpp $(STAMP) | $(BUILD)/.packages
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
	$(run)BUILD=$(BUILD) CXX="$(CXX)" FLAGS="$(FLAGS)" LIBS="$(LIBS)" PCH="$(if $(PCHS),$(COMMON)/pch-O0/standard.h)" tests/mutants/run $< $@ $(MUTANT_OBJECTS)
mutants: $(MUTANTS)
	@$(BUILD)/mutants/check --summary $(MUTANTS)
