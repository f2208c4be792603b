// Writes the report: one HTML file that shows kernels, spectra and gradients, every number in it
// computed when it is written or read from a measurement given to it.
// Run:     build/cpu/report --run runs/listops-tiny-ski-1 --out report.html; `make report` does it all
// Expect:  a file of half a MB that needs no network and no scripts; equal inputs give equal bytes

#include "core/io/atomic_file.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "examples/report/pictures.h"
#include "examples/report/sections.h"

using namespace skiff;

namespace {

struct ReportOptions {
  std::string run, text_run, bench, mutants, out = "report.html", pictures;
  uint64_t seed = 1;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "run",
           .help = "Run folder of train_lra, for the learned kernels; without it, an untrained "
                   "model"},
          o.run);
    field({.name = "text-run", .help = "Run folder of train_lm, for the text that a model writes"},
          o.text_run);
    field({.name = "bench", .help = "Measurements of bench (JSON lines), for the section on cost"},
          o.bench);
    field({.name = "mutants", .help = "Results of planted bugs (JSON lines)"}, o.mutants);
    field({.name = "seed", .help = "Seed of all random numbers", .low = 0, .high = 1e15}, o.seed);
    field({.name = "out", .help = "The file to write"}, o.out);
    field({.name = "pictures",
           .help = "Write the pictures of the documentation to this folder instead"},
          o.pictures);
  }
};

int write_pictures(const std::string& folder) {
  for (const report::Picture& p : report::pictures()) {
    write_file(folder + "/" + p.name + ".svg",
               charts::document(p.title, p.width, p.height, p.drawing));
    std::printf("%s/%s.svg\n", folder.c_str(), p.name.c_str());
  }
  return 0;
}

int write(const ReportOptions& o) {
  report::check_run(o.run);
  report::check_text_run(o.text_run);
  report::check_bench(o.bench);
  report::check_mutants(o.mutants);
  { AtomicFile writable(o.out); }  // what cannot be written shows before anything is computed
  report::Page page;
  report::add_network(page);
  report::add_toeplitz(page, o.seed);
  report::add_ski(page, o.seed);
  report::add_errors(page);
  report::add_fd(page);
  report::add_gradients(page, o.seed);
  report::add_tape(page);
  report::add_mutants(page, o.mutants);
  report::add_learned(page, o.run, o.seed);
  report::add_generation(page, o.text_run, o.seed);
  report::add_cost(page, o.bench);
  const std::string file = page.finish();
  write_file(o.out, file);
  std::printf("%s: %.2f MB\n", o.out.c_str(), double(file.size()) / 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ReportOptions o;
  Flags flags("Writes a page that shows kernels, spectra and gradients.", "report");
  flags.add(o);
  flags.footer(
      "Example:\n  report --run runs/listops-tiny-ski-1 --bench build/bench/bench.jsonl --out "
      "report.html");
  return run_program(argc, argv, flags,
                     [&] { return o.pictures.empty() ? write(o) : write_pictures(o.pictures); });
}
