// Measures operators, layers and whole training steps, and in the same run what the hardware needs
// at least for the same work.
// Run:     build/cpu/bench --filter op/ski,op/fd --n 1024,2048,4096
// Expect:  a table, bench.jsonl with a JSON object a line, and bench.svg: time against n.
#include <omp.h>

#include <filesystem>

#include "core/io/atomic_file.h"
#include "examples/bench/output.h"
#include "examples/train/program.h"
#include "examples/train/settings.h"

using namespace skiff;
using namespace skiff::bench;

namespace {

struct Options {
  Sizes sizes;
  std::vector<std::string> filter;
  int threads = 0;
  int64_t repeats = 9;
  double seconds = 0;
  bool quick = false, list = false;
  std::string out = "build/bench", json;
};

void write_file(const std::string& path, const std::string& text) {
  AtomicFile out(path);
  out.write(text);
  out.publish();
}

void quick_sizes(Options& o, const CLI::App& app) {
  const auto left_alone = [&](const char* name) { return app.get_option(name)->count() == 0; };
  if (left_alone("--n")) o.sizes.n = {64, 128};
  if (left_alone("--batch")) o.sizes.batch = 1;
  if (left_alone("--dim")) o.sizes.dim = 16;
  if (left_alone("--length")) o.sizes.length = 64;
  if (left_alone("--recipe")) o.sizes.recipe = "tiny";
  if (left_alone("--repeats")) o.repeats = 2;
}

std::vector<Case> chosen(const Options& o) {
  std::vector<Case> all, cases;
  for (const int64_t n : o.sizes.n) add_operators(all, o.sizes, n);
  for (const int64_t n : o.sizes.n) add_layers(all, o.sizes, n);
  add_steps(all, o.sizes);
  if (!o.list) add_floors(cases, o.sizes, o.quick);
  const size_t floors = cases.size();
  for (const Case& c : all) {
    bool wanted = o.filter.empty();
    for (const std::string& part : o.filter)
      wanted = wanted || c.label().find(part) != std::string::npos;
    if (!wanted) continue;
    if (c.make)
      cases.push_back(c);
    else
      std::fprintf(stderr, "left out: %s over %lld positions, too much memory\n", c.label().c_str(),
                   (long long)c.n);
  }
  check<UsageError>(cases.size() > floors,
                    "--filter: no case that can run has this in its name; --list shows the names");
  return cases;
}

int run(Options& o, const CLI::App& app) {
  if (o.quick) quick_sizes(o, app);
  std::sort(o.sizes.n.begin(), o.sizes.n.end());
  o.sizes.n.erase(std::unique(o.sizes.n.begin(), o.sizes.n.end()), o.sizes.n.end());
  if (o.threads > 0) omp_set_num_threads(o.threads);
  std::vector<Case> cases = chosen(o);
  if (o.list) {
    for (const Case& c : cases) std::printf("%s %lld\n", c.label().c_str(), (long long)c.n);
    return 0;
  }
  const std::vector<Row> rows = measure(cases, o.repeats, o.seconds);
  std::string lines;
  for (const Row& r : rows) lines += json_line(r, o.sizes) + "\n";
  if (o.json == "-") {
    std::fputs(lines.c_str(), stdout);
    return 0;
  }
  std::error_code error;
  std::filesystem::create_directories(o.out, error);
  check<IoError>(!error, "cannot create '", o.out, "': ", error.message());
  const std::string json = o.json.empty() ? o.out + "/bench.jsonl" : o.json, svg = chart(rows);
  write_file(json, lines);
  if (!svg.empty()) write_file(o.out + "/bench.svg", svg);
  print_table(rows, o.sizes);
  std::printf("\nrows: %s%s\n", json.c_str(),
              svg.empty() ? "" : (", chart: " + o.out + "/bench.svg").c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures operators, layers and training steps against the floor of the hardware.",
               "bench");
  Options o;
  const auto option = [&](const char* name, auto& value, const char* help) {
    return app.add_option(name, value, help)->capture_default_str();
  };
  option("--n", o.sizes.n, "Sequence lengths of operators and layers")
      ->delimiter(',')
      ->check(between(2, 1 << 20));
  option("--batch", o.sizes.batch, "Sequences at once")->check(between(1, 1e6));
  option("--dim", o.sizes.dim, "Channels of operators and layers")->check(between(1, 65536));
  option("--length", o.sizes.length, "Tokens of a step of ListOps or Text; 0: the recipe's")
      ->check(between(0, 1 << 20));
  option("--recipe", o.sizes.recipe, "Models of the steps")->check(one_of({"paper", "tiny"}));
  app.add_option("--filter", o.filter, "Only cases with one of these in their name")
      ->delimiter(',');
  option("--threads", o.threads, "Threads; 0: OMP_NUM_THREADS or all cores")
      ->check(between(0, 4096));
  option("--repeats", o.repeats, "Rounds")->check(between(1, 1e6));
  option("--seconds", o.seconds, "No further round after this time; 0: all rounds")
      ->check(between(0, 1e6));
  option("--out", o.out, "Folder of bench.jsonl and bench.svg");
  app.add_option("--json", o.json,
                 "The JSON lines in this file; -: on standard output, and nothing else");
  app.add_flag("--quick", o.quick, "Tiny sizes: does everything run?");
  app.add_flag("--list", o.list, "Print the names of the cases and stop");
  app.footer(
      "Examples:\n  bench --filter op/,layer/gtu --n 1024,2048,4096 --threads 1\n"
      "  bench --filter step/listops --batch 16 --repeats 5\n"
      "A name is kind/name/pass: op/tno/forward, layer/glu/train, step/text-ski/train; train is "
      "forward\n"
      "and backward, for a step with optimizer. The floor is measured in the same run, with the "
      "same\n"
      "threads: a copy of the same bytes, FFTW's contiguous transforms of the batch there and "
      "back, the\n"
      "multiplications of matrix products at the best rate of gemm. Peak: tensors made by a call.\n"
      "Faults: pages the kernel handed out, a call.");
  return run_program(argc, argv, app, [&] { return run(o, app); });
}
