// Measures operators, layers and whole training steps, and in the same run what the hardware needs
// at least for the same work.
// Run:     build/cpu/bench --filter op/ski,op/fd --n 1024,2048,4096
// Expect:  a table, bench.jsonl with one JSON object per line, and bench.svg: time against n.
#include <omp.h>

#include <filesystem>

#include "core/blas.h"
#include "core/fft/fft.h"
#include "core/io/atomic_file.h"
#include "examples/bench/epoch.h"
#include "examples/bench/generation.h"
#include "examples/bench/options.h"
#include "examples/bench/output.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"

using namespace skiff;
using namespace skiff::bench;

namespace {

std::vector<Case> chosen(const BenchOptions& o) {
  std::vector<Case> all, cases;
  for (const int64_t n : o.sizes.n) add_operators(all, o.sizes, n);
  for (const int64_t n : o.sizes.n) add_layers(all, o.sizes, n);
  add_steps(all, o.sizes);
  add_language_steps(all, o.sizes.language);
  if (!o.list) add_floors(cases, o.sizes, o.quick);
  const size_t floors = cases.size();
  const std::vector<std::string> parts =
      o.filter.empty() ? std::vector<std::string>{""} : words_of(o.filter, "filter");
  std::vector<bool> wanted(all.size(), false);
  for (const std::string& part : parts) {
    bool found = false;
    for (size_t i = 0; i < all.size(); ++i)
      if (all[i].label().find(part) != std::string::npos) found = wanted[i] = true;
    check<UsageError>(found, "--filter: no case has '", part,
                      "' in its name; --list shows the names");
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const Case& c = all[i];
    if (!wanted[i]) continue;
    if (c.make)
      cases.push_back(c);
    else
      std::fprintf(stderr, "left out: %s over %lld positions, it would take too long\n",
                   c.label().c_str(), (long long)c.n);
  }
  check<UsageError>(cases.size() > floors, "--filter: no case that can run has '", o.filter,
                    "' in its name");
  return cases;
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check<IoError>(!error, "cannot create '", folder, "': ", error.message());
}

void say(const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); }

// What cannot be written shows before anything is measured.
std::string writable(const BenchOptions& o, const std::string& name) {
  if (o.json == "-") return "";
  make_folder(o.out);
  const std::string file = o.json.empty() || o.generation ? o.out + "/" + name : o.json;
  AtomicFile unused(file);
  return file;
}

int run_generation(const BenchOptions& o) {
  const std::string file = writable(o, "generation.jsonl");
  GenerationSizes sizes;
  if (o.quick) sizes = {.dim = 16, .layers = 1, .positions = {16, 64}};
  const std::vector<TokenCost> costs = measure_generation(sizes, say);
  std::string lines;
  for (const TokenCost& c : costs) lines += json_line(c) + "\n";
  if (o.json == "-") {
    std::fputs(lines.c_str(), stdout);
    return 0;
  }
  std::printf("%lld layers of width %lld, float32, %d threads\n%s", (long long)sizes.layers,
              (long long)sizes.dim, omp_get_max_threads(), table_of(costs).c_str());
  write_file(file, lines);
  write_file(o.out + "/generation.svg", chart(costs));
  std::printf("\nrows and chart: %s/generation.*\n", o.out.c_str());
  return 0;
}

int run_epoch(const BenchOptions& o) {
  const std::string json = writable(o, "epoch.jsonl");
  const std::vector<EpochCost> costs = measure_epoch(o.epoch, o.repeats, o.save_batches, say);
  std::string lines;
  for (const EpochCost& c : costs) lines += json_line(c) + "\n";
  if (o.json == "-") {
    std::fputs(lines.c_str(), stdout);
    return 0;
  }
  std::printf("%d threads, %s, %s\n%s", omp_get_max_threads(), blas::description().c_str(),
              fft::description().c_str(), table_of(costs).c_str());
  write_file(json, lines);
  std::printf("\nrows: %s\n", json.c_str());
  return 0;
}

int run(BenchOptions& o, const Flags& flags) {
  take_sizes(o, flags);
  omp_set_num_threads(o.thread_counts.back());
  if (o.generation) return run_generation(o);
  if (!o.epoch.task.empty()) return run_epoch(o);
  std::vector<Case> cases = chosen(o);
  if (o.list) {
    for (const Case& c : cases) std::printf("%s %lld\n", c.label().c_str(), (long long)c.n);
    return 0;
  }
  cases = for_each_count(cases, o.thread_counts);
  const std::string json = writable(o, "bench.jsonl");
  const std::vector<Row> rows = measure(cases, o.repeats, o.seconds);
  std::string lines;
  for (const Row& r : rows) lines += json_line(r) + "\n";
  if (o.json == "-") {
    std::fputs(lines.c_str(), stdout);
    return 0;
  }
  print_table(rows, o.sizes);
  const std::string svg = chart(rows);
  write_file(json, lines);
  if (!svg.empty()) write_file(o.out + "/bench.svg", svg);
  std::printf("\nrows: %s%s\n", json.c_str(),
              svg.empty() ? "" : (", chart: " + o.out + "/bench.svg").c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  BenchOptions o;
  Flags flags("Measures operators, layers and training steps against the floor of the hardware.",
              "bench");
  flags.add(o);
  flags.footer(
      "Examples:\n  bench --filter op/,layer/gtu --n 1024,2048,4096 --threads 1\n"
      "  bench --filter step/listops --batch 16 --repeats 5\n"
      "  bench --filter step/lm- --repeats 5\n"
      "  bench --epoch text --data data --examples 2000\n"
      "A name is kind/name/pass: op/tno/forward, layer/glu/train, step/text-ski/train; train is\n"
      "forward and backward, for a step with optimizer. step/lm-ski is the model of train_lm\n"
      "--recipe small, 64 windows of 256 characters per step; step/lm-long-ski is the same model\n"
      "with 4 windows of 4096; fd-free is fd with 64 points in place of the network. --batch,\n"
      "--length and --recipe do not change them. The floor is measured in the same run, with\n"
      "the same threads: a copy of the same bytes, FFTW's contiguous transforms of the batch\n"
      "there and back, the multiplications of matrix products at the best rate of gemm. Peak:\n"
      "tensors that a call makes. Faults: pages that the kernel handed out, per call.");
  return run_program(argc, argv, flags, [&] { return run(o, flags); });
}
