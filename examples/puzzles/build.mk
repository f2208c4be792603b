# ---- twelve backwards to write, one object each. SOLUTIONS=1: those of tests/puzzles; P=06: that one ----
PUZZLES_IN := $(if $(filter 1,$(SOLUTIONS)),tests,examples)
puzzles_of = $(call objects,$(sort $(wildcard $(1)/puzzles/$(or $(2),[0-9])*.cpp)))
$(BUILD)/puzzles/grade-examples: $(call puzzles_of,examples)
$(BUILD)/puzzles/grade-tests: $(call puzzles_of,tests)
$(BUILD)/puzzles/grade-$(PUZZLES_IN)-$(P): $(call puzzles_of,$(PUZZLES_IN),$(P))
$(GRADERS) $(BUILD)/puzzles/grade-$(PUZZLES_IN)-$(P): $(OBJECTS) $(call objects,examples/puzzles/grade.cpp) $(BUILD)/libshared.a
	@mkdir -p $(@D)
	$(run)$(CXX) $(FLAGS) $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -o $@
puzzles: $(BUILD)/puzzles/grade-$(PUZZLES_IN)$(addprefix -,$(P))
	@$< $(P)$(if $(filter tests,$(PUZZLES_IN)),, || [ $$? = 1 ])
