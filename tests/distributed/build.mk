# ---- several processes under a launcher: MPI=1 ----
PROBE    := $(if $(WITH_MPI),$(BUILD)/distributed_probe)
$(BUILD)/distributed_probe: $(OBJECTS) $(COMMON)/tests/distributed/probe.o $(BUILD)/libshared.a
	$(call say,link $@)
	$(run)$(CXX) $(FLAGS) $^ $(LIBS) -o $@
