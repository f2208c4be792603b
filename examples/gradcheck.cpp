// Checks the derivative of every op, or of the ops named: adjoint test, central differences,
// float32 against float64 (autograd/gradcheck.h).
// Run:     build/cpu/gradcheck [OP ...]
// Expect:  one row an op, and the last line "all N ops passed"; exit code 6 if one did not.
#include <CLI/CLI.hpp>

#include "autograd/gradcheck.h"

#include "examples/train/device.h"
#include "examples/train/program.h"

using namespace skiff;

namespace {

std::string shown(double error) {
  if (error < 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", error);
  return text;
}

std::vector<OpEntry> chosen(const std::vector<std::string>& names) {
  if (names.empty()) return op_table();
  std::vector<std::string> known;
  for (const OpEntry& op : op_table()) known.push_back(op.name);
  std::vector<OpEntry> ops;
  for (const std::string& name : names) {
    const size_t before = ops.size();
    for (const OpEntry& op : op_table())
      if (op.name == name) ops.push_back(op);
    check<UsageError>(ops.size() > before, "unknown op '", name, "'", suggestion(name, known));
  }
  return ops;
}

int report(const std::vector<std::string>& names, const GradcheckLimits& limits, Device device,
           bool verbose) {
  const std::vector<OpEntry> ops = chosen(names);
  std::printf("%-20s %7s %10s %12s %10s\n", "op", "samples", "adjoint", "differences", "float32");
  int failed = 0;
  for (const OpEntry& op : ops) {
    const GradcheckResult r = gradcheck(op, limits, device);
    std::printf("%-20s %7d %10s %12s %10s%s\n", r.op.c_str(), r.samples, shown(r.adjoint).c_str(),
                shown(r.difference).c_str(), shown(r.precision).c_str(),
                r.passed ? "" : ("  FAILED: " + r.worst).c_str());
    if (verbose)
      for (const OpSample& sample : op.samples()) {
        std::ostringstream inputs;
        for (const Tensor& x : sample.inputs) inputs << "  " << x;
        std::printf("    %-32s%s\n", sample.label.c_str(), inputs.str().c_str());
      }
    failed += !r.passed;
  }
  if (failed == 0) {
    std::printf("all %zu ops passed (limits: adjoint %.0e, differences %.0e, float32 %.0e)\n",
                ops.size(), limits.adjoint, limits.difference, limits.precision);
    return 0;
  }
  std::printf("%d of %zu ops failed\n", failed, ops.size());
  return 6;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Checks the derivative of every op.", "gradcheck");
  std::vector<std::string> names;
  std::string device = "cpu";
  GradcheckLimits limits;
  bool verbose = false;
  app.add_option("op", names, "Ops to check; all without one");
  app.add_option("--adjoint", limits.adjoint, "Limit of the adjoint test")->capture_default_str();
  app.add_option("--differences", limits.difference, "Limit of central differences")
      ->capture_default_str();
  app.add_option("--float32", limits.precision, "Limit of float32 against float64")
      ->capture_default_str();
  add_device_option(app, device);
  app.add_flag("--verbose", verbose, "List the samples too");
  app.footer(
      "Example:\n  gradcheck rfft toeplitz --verbose\n"
      "adjoint: <A v, gy> against <v, A^T gy>, linear ops; '-' for others. Errors are relative.");
  return run_program(argc, argv, app,
                     [&] { return report(names, limits, device_named(device), verbose); });
}
