#include "examples/bench/measure.h"

#include <omp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>

#include "core/memory.h"

namespace skiff::bench {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Pages mapped or zeroed by the kernel for this process so far.
double page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_minflt);
}

void measure_round(Row& row) {
  if (row.what->threads > 0) omp_set_num_threads(row.what->threads);
  const std::function<void()>& run = row.what->work.run;
  Samples& s = row.samples;
  const int64_t live = memory::stats(Device::CPU).live;
  memory::reset_peak(Device::CPU);
  const double begin = now();
  run();
  const double first = now() - begin;
  s.peak_bytes = std::max(s.peak_bytes, memory::stats(Device::CPU).peak - live);
  s.calls = std::clamp<int64_t>(int64_t(0.02 / std::max(first, 1e-9)), 1, 10000);
  const double faults = page_faults(), start = now();
  for (int64_t i = 0; i < s.calls; ++i) run();
  s.seconds.push_back((now() - start) / double(s.calls));
  s.faults.push_back((page_faults() - faults) / double(s.calls));
}

// The rates of this run, from the rows of the floors with this number of threads.
void set_floors(std::vector<Row>& rows, int threads) {
  double flops = 0;                        // per second, of the best shape
  std::map<int64_t, double> bytes, pairs;  // per second, by n; 0: a large copy
  for (const Row& r : rows) {
    if (r.what->kind != "floor" || r.what->threads != threads) continue;
    const Work& work = r.what->work;
    if (work.gemm_flops > 0) flops = std::max(flops, work.gemm_flops / r.median());
    if (work.copied_bytes > 0) bytes[r.what->n] = work.copied_bytes / r.median();
    if (work.transforms > 0) pairs[r.what->n] = double(work.transforms) / r.median();
  }
  for (Row& r : rows) {
    if (r.what->kind == "floor" || r.what->threads != threads) continue;
    const Work& work = r.what->work;
    if (work.gemm_flops > 0) r.gemm = work.gemm_flops / flops;
    if (work.copied_bytes > 0)
      r.copy = work.copied_bytes / bytes[r.what->kind == "step" ? 0 : r.what->n];
    if (work.transforms > 0) r.fft = double(work.transforms) / pairs[r.what->n];
  }
}

}  // namespace

std::vector<Case> for_each_count(const std::vector<Case>& cases, const std::vector<int>& threads) {
  std::vector<Case> all;
  for (const Case& c : cases)
    for (const int count : threads) {
      all.push_back(c);
      all.back().threads = count;
    }
  return all;
}

std::vector<Row> measure(std::vector<Case>& cases, int64_t repeats, double seconds) {
  std::vector<Row> rows;
  for (Case& c : cases) {
    c.work = c.make();
    rows.push_back({.what = &c, .samples = {}});
  }
  const double start = now();
  for (int64_t round = 1; round <= repeats; ++round) {
    for (Row& row : rows) measure_round(row);
    if (::isatty(2))
      std::fprintf(stderr, "round %lld of %lld, %.0f s\n", (long long)round, (long long)repeats,
                   now() - start);
    if (seconds > 0 && now() - start > seconds) break;
  }
  std::set<int> counts;
  for (const Row& row : rows) counts.insert(row.what->threads);
  for (const int threads : counts) set_floors(rows, threads);
  return rows;
}

double quantile(std::vector<double> v, double q) {
  std::sort(v.begin(), v.end());
  const double at = q * double(v.size() - 1);
  const size_t below = size_t(at), above = std::min(below + 1, v.size() - 1);
  return v[below] + (at - double(below)) * (v[above] - v[below]);
}

}  // namespace skiff::bench
