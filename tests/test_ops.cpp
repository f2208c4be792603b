// Every op of the table: adjoint test, central differences, float32 against float64.
#include <doctest/doctest.h>

#include "autograd/gradcheck.h"

using namespace skiff;

TEST_CASE("ops: every op passes its gradient check") {
  for (const OpEntry& op : op_table()) {
    const GradcheckResult result = gradcheck(op);
    CAPTURE(op.name);
    CHECK_MESSAGE(result.passed, result.worst);
  }
}
