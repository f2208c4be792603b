// The processes of a build without MPI: one. Several copies are refused.
#include "core/processes.h"

namespace skiff {

Processes& processes() {
  refuse_copies("built without MPI: make MPI=1");
  static OneProcess one;
  return one;
}

void end_processes() {}

}  // namespace skiff
