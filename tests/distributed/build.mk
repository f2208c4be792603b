# ---- several processes under a launcher: MPI=1 ----
PROBE    := $(if $(WITH_MPI),$(BUILD)/distributed_probe)
ifneq ($(WITH_MPI),)
test: test-distributed
endif
test-distributed: all $(PROBE)  # 77: skipped, with the reason
	tests/distributed/run $(BUILD) || [ $$? = 77 ]
.PHONY: test-distributed

$(BUILD)/distributed_probe: $(OBJECTS) $(COMMON)/tests/distributed/probe.o $(BUILD)/libshared.a
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
