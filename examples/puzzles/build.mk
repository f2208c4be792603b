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
