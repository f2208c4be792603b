// All that explain has to say of an op.
#pragma once

#include <string>

#include "autograd/op.h"
#include "examples/explain/derivations.h"
#include "examples/explain/worked_examples.h"

namespace skiff {

struct Explained {
  const OpEntry* op = nullptr;
  const Derivation* derivation = nullptr;
  WorkedExample example;
  OpMatrix matrix;
};

// matrix: of n positions, at most `most` numbers; none for n = 0. UsageError if there is no such
// op, or no such matrix of it.
Explained look_up(const std::string& name, int64_t n, int64_t most);

}  // namespace skiff
