// Explains an op in a terminal: formula and derivation as they stand in its source, an example of
// four numbers, the checks of its derivative.
// Run:     build/cpu/explain rfft
// Expect:  at most 80 columns; without an op, the names of all of them
#include <CLI/CLI.hpp>

#include "autograd/gradcheck.h"

#include "examples/explain/derivations.h"
#include "examples/explain/worked_examples.h"
#include "examples/train/program.h"

using namespace skiff;

namespace {

constexpr size_t kColumns = 80;

std::string wrapped(const std::string& text, const std::string& margin) {
  return filled(text, kColumns, margin);
}

void print_entry(const std::string& name, const std::string& values, const std::string& note) {
  const std::string line =
      name + std::string(name.size() < 9 ? 9 - name.size() : 0, ' ') + " = " + values;
  std::printf("%s", wrapped(line + (note.empty() ? "" : "   " + note), "  ").c_str());
}

void print_example(const WorkedExample& e) {
  const WorkedResult r = work_out(e);
  std::printf("\nFOUR NUMBERS\n");
  std::printf("%s", wrapped(e.call, "  ").c_str());
  for (size_t i = 0; i < e.inputs.size(); ++i) print_entry(e.names[i], listed(e.inputs[i]), "");
  print_entry("output", listed(r.y), "");
  print_entry("cotangent", listed(r.gy), "chosen: the gradient that arrives");
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    if (!r.grads[i]) continue;
    print_entry("g" + e.names[i], listed(r.grads[i]), "backward");
    print_entry("", listed(r.differences[i]), "central differences");
  }
}

bool print_checks(const OpEntry& op) {
  const GradcheckLimits limits;
  const GradcheckResult r = gradcheck(op, limits);
  std::printf("\nCHECKS of %d samples, largest relative errors\n", r.samples);
  if (r.adjoint >= 0)
    std::printf("  adjoint       %8.1e   limit %.0e   <A v, gy> against <v, A^T gy>\n", r.adjoint,
                limits.adjoint);
  else
    std::printf("  adjoint              -                  not linear\n");
  std::printf("  differences   %8.1e   limit %.0e   (f(x + h) - f(x - h)) / 2h\n", r.difference,
              limits.difference);
  std::printf("  float32       %8.1e   limit %.0e   against float64\n", r.precision,
              limits.precision);
  std::printf("  %s\n", r.passed ? "passed" : ("FAILED: " + r.worst).c_str());
  return r.passed;
}

int explain(const std::string& name) {
  std::vector<std::string> known;
  const OpEntry* op = nullptr;
  for (const OpEntry& entry : op_table()) {
    known.push_back(entry.name);
    if (entry.name == name) op = &entry;
  }
  if (name.empty()) {
    std::string names;
    for (const std::string& n : known) names += (names.empty() ? "" : " ") + n;
    std::printf("%s", wrapped(names, "").c_str());
    return 0;
  }
  check<UsageError>(op != nullptr, "unknown op '", name, "'", suggestion(name, known));
  const Derivation* d = derivation_of(name);
  const std::vector<WorkedExample> examples = worked_examples();
  const auto example = std::find_if(examples.begin(), examples.end(),
                                    [&](const WorkedExample& e) { return e.op == name; });
  check(d != nullptr && example != examples.end(), "explain: '", name,
        "' has no derivation or no example");
  std::printf("%s   %s\n\n", name.c_str(), d->file.c_str());
  std::printf("%s", wrapped(d->text, "  ").c_str());
  print_example(*example);
  return print_checks(*op) ? 0 : 6;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Explains an op: formula, derivation, an example of four numbers, its checks.",
               "explain");
  std::string name;
  app.add_option("op", name, "Op to explain; without one, their names");
  app.footer("Example:\n  explain spectral_conv");
  return run_program(argc, argv, app, [&] { return explain(name); });
}
