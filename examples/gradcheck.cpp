// Checks every op, or the ops named: forward against its plain formula, the derivative by the
// adjoint test and central differences, float32 against float64 (autograd/gradcheck.h).
// Run:     build/cpu/gradcheck [OP ...]
// Expect:  one row per op, and the last line "all N ops passed"; exit code 6 if one did not.
#include "autograd/gradcheck.h"

#include <cstdio>
#include <sstream>

#include "examples/program/device.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"

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

struct Options {
  std::vector<std::string> ops;
  GradcheckLimits limits;
  std::string device = "cpu";
  bool verbose = false;

  static constexpr const char* kTitle = "Options";
  template <class O, class Visitor>
  static void visit(O& o, Visitor&& field) {
    const auto limit = [&](const char* name, const char* help, auto& value) {
      field({.name = name, .help = help, .low = 0, .high = 1}, value);
    };
    limit("reference", "Limit of forward against the plain formula", o.limits.reference);
    limit("adjoint", "Limit of the adjoint test", o.limits.adjoint);
    limit("differences", "Limit of central differences", o.limits.difference);
    limit("float32", "Limit of float32 against float64", o.limits.precision);
    field({.name = "device", .help = kDeviceHelp, .words = device_words}, o.device);
    field({.name = "verbose", .help = "List the samples too"}, o.verbose);
  }
};

int report(const Options& o) {
  const std::vector<OpEntry> ops = chosen(o.ops);
  const GradcheckLimits& limits = o.limits;
  const Device device = device_named(o.device);
  std::printf("%-20s %7s %10s %10s %12s %10s\n", "op", "samples", "reference", "adjoint",
              "differences", "float32");
  int failed = 0;
  for (const OpEntry& op : ops) {
    const GradcheckResult r = gradcheck(op, limits, device);
    std::printf("%-20s %7d %10s %10s %12s %10s%s\n", r.op.c_str(), r.samples,
                shown(r.reference).c_str(), shown(r.adjoint).c_str(), shown(r.difference).c_str(),
                shown(r.precision).c_str(), r.passed ? "" : ("  FAILED: " + r.worst).c_str());
    if (o.verbose)
      for (const OpSample& sample : op.samples()) {
        std::ostringstream inputs;
        for (const Tensor& x : sample.inputs) inputs << "  " << x;
        std::printf("    %-32s%s\n", sample.label.c_str(), inputs.str().c_str());
      }
    failed += !r.passed;
  }
  if (failed == 0) {
    std::printf(
        "all %zu ops passed (limits: reference %.0e, adjoint %.0e, differences %.0e, float32 "
        "%.0e)\n",
        ops.size(), limits.reference, limits.adjoint, limits.difference, limits.precision);
    return 0;
  }
  std::printf("%d of %zu ops failed\n", failed, ops.size());
  return 6;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags("Checks the derivative of every op.", "gradcheck");
  flags.positional("op", options.ops, "Ops to check; all without one", /*required=*/false);
  flags.add(options);
  flags.footer(
      "Example:\n  gradcheck rfft toeplitz --verbose\n"
      "reference: forward against the plain formula of ops with a fast path. adjoint: <A v, gy>\n"
      "against <v, A^T gy>, for linear ops. '-': not for this op. Errors are relative.");
  return run_program(argc, argv, flags, [&] { return report(options); });
}
