// Explains ops in a terminal: formula, derivation and plain reference as in the source, an example
// of four numbers, the checks of the derivative.
// Run:     build/cpu/explain rfft
// Expect:  at most 80 columns; without an op, the names of all of them by family
#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "examples/explain/derivations.h"
#include "examples/explain/explained.h"
#include "examples/explain/worked_examples.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"

using namespace skiff;

namespace {

constexpr size_t kColumns = 80;
constexpr int64_t kNumbers = 10;  // of 8 characters each

std::string wrapped(const std::string& text, const std::string& margin) {
  return filled(text, kColumns, margin);
}

// Code keeps its indentation: with the margin, lines of up to 100 columns are wrapped.
std::string as_code(const std::string& code) {
  std::string indented;
  for (size_t begin = 0, end; begin < code.size(); begin = end + 1) {
    end = std::min(code.find('\n', begin), code.size());
    indented += "  " + code.substr(begin, end - begin) + "\n";
  }
  return filled(indented, kColumns);
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
  if (r.reference >= 0)
    std::printf("  reference     %8.1e   limit %.0e   against the formula as code\n", r.reference,
                limits.reference);
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

// One line per family: "spectral      complex_mul hilbert irfft ..".
void print_families() {
  std::map<std::string, std::string> families;
  for (const Derivation& d : derivations())
    for (const std::string& op : d.ops) families[d.family()] += " " + op;
  for (const auto& [family, ops] : families) {
    const std::string name = family + std::string(family.size() < 12 ? 12 - family.size() : 1, ' ');
    std::printf("%s", filled("  " + name + ops, kColumns).c_str() + 2);
  }
}

// The matrix that the op of the example is for n numbers.
void print_matrix(const OpMatrix& M, int64_t n) {
  const std::vector<double> entries = to_vector(M.forward), backward = to_vector(M.backward);
  std::printf(
      "\nMATRIX for n = %lld: an output is its row times x%s\n", static_cast<long long>(n),
      M.complex ? ";\n  a complex number is two rows or columns, its real and imaginary part" : "");
  double worst = 0;
  for (size_t at = 0; at < entries.size(); ++at) {
    std::printf(" %7.3g%s", std::abs(entries[at]) < 1e-12 ? 0 : entries[at],  // rounding of an FFT
                (at + 1) % size_t(M.forward.size(1)) == 0 ? "\n" : "");
    worst = std::max(worst, std::abs(entries[at] - backward[at]));
  }
  std::printf("  backward multiplies by the transpose of this matrix; the two differ by %.1e\n",
              worst);
}

int explain(const Explained& e, int64_t n) {
  const std::string& name = e.example.op;
  std::printf("%s   %s\n\n", name.c_str(), e.derivation->file.c_str());
  std::printf("%s", wrapped(e.derivation->text, "  ").c_str());
  if (const std::string code = reference_of(name); !code.empty())
    std::printf("\nTHE FORMULA AS CODE, which the op is checked against\n%s",
                as_code(code).c_str());
  if (n > 0) print_matrix(e.matrix, n);
  print_example(e.example);
  return print_checks(*e.op) ? 0 : 6;
}

struct Options {
  std::vector<std::string> ops;
  int64_t n = 0;

  static constexpr const char* kTitle = "Options";
  template <class O, class Visitor>
  static void visit(O& o, Visitor&& field) {
    field({.name = "n",
           .help = "Also print the matrix of a linear op for this many positions; 0: none",
           .low = 0,
           .high = double(kNumbers)},
          o.n);
  }
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags("Explains an op: formula, derivation, an example of four numbers, its checks.",
              "explain");
  flags.positional("op", options.ops, "Ops to explain; without one, their names by family",
                   /*required=*/false);
  flags.add(options);
  flags.footer("Example:\n  explain toeplitz --n 4");
  return run_program(argc, argv, flags, [&] {
    if (options.ops.empty()) print_families();
    std::vector<Explained> all;  // a wrong name shows before anything is printed
    for (const std::string& name : options.ops) all.push_back(look_up(name, options.n, kNumbers));
    int code = 0;
    for (const Explained& e : all) {
      if (&e != &all.front()) std::printf("\n\n");
      code = std::max(code, explain(e, options.n));
    }
    return code;
  });
}
