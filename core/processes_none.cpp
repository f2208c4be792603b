// The processes of a build without MPI: one. Several copies, each of which would take itself for
// the only one, are refused.
#include <cstdlib>

#include "core/processes.h"

namespace skiff {

Processes& processes() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"})
    if (const char* value = std::getenv(variable); value && std::atoi(value) > 1)
      fail<UsageError>("started as ", value, " processes, but built without MPI: make MPI=1");
  static OneProcess one;
  return one;
}

void end_processes() {}

}  // namespace skiff
