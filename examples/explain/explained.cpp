#include "examples/explain/explained.h"

#include <algorithm>

#include "core/check.h"
#include "core/options.h"

namespace skiff {

Explained look_up(const std::string& name, int64_t n, int64_t most) {
  Explained e;
  for (const OpEntry& entry : op_table())
    if (entry.name == name) e.op = &entry;
  check<UsageError>(e.op, "unknown op '", name, "'", suggestion(name, names_of(op_table())));
  e.derivation = derivation_of(name);
  const std::vector<WorkedExample> examples = worked_examples();
  const auto example = std::find_if(examples.begin(), examples.end(),
                                    [&](const WorkedExample& known) { return known.op == name; });
  check(e.derivation != nullptr && example != examples.end(), "explain: '", name,
        "' has no derivation or no example");
  e.example = *example;
  if (n > 0) e.matrix = matrix_of(e.example, n, most);
  return e;
}

}  // namespace skiff
