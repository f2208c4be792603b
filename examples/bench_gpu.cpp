// Times the operators of the Toeplitz models at the sizes of Long Range Arena on one device, beside
// what two floors of the hardware allow: a copy of device memory, and a large matrix product.
// Run:     build/cuda/bench_gpu                   (--device cpu, --scale 16 to try it elsewhere)
// Expect:  one row per operator; "share" is the time its bytes and operations need at the speed of the
//          floors, divided by its time. `--estimate` prints what an H100's data sheet implies
//          instead.
#include <chrono>
#include <cmath>
#include <functional>

#include "autograd/ops.h"
#include "core/random.h"
#include "examples/bench/gpu_cases.h"
#include "examples/program/device.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "layers/parameters.h"
#include "optim/adam.h"

using namespace skiff;
using namespace skiff::bench;

namespace {

struct Settings {
  std::string device = "auto";
  int64_t scale = 1, repeats = 20;
  bool estimate = false;

  static constexpr const char* kTitle = "Options";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "device", .help = kDeviceHelp, .words = device_words}, o.device);
    field({.name = "scale", .help = "Divides the sizes", .low = 1, .high = 64}, o.scale);
    field({.name = "repeats",
           .help = "Runs per measurement, which is their mean",
           .low = 1,
           .high = 10000},
          o.repeats);
    field(
        {.name = "estimate", .help = "Bytes, operations and the time an H100's data sheet implies"},
        o.estimate);
  }
};

// ---- time ----

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
void wait(const Tensor& any) { (void)to_vector(any); }  // a copy back waits for all before it

// Seconds of one run, all repeats queued before the wait.
template <class F>
double seconds(const Settings& s, Device device, const F& run) {
  const Tensor small = zeros({1}, DType::Float32, device);
  run();
  wait(small);
  const double start = now();
  for (int64_t i = 0; i < s.repeats; ++i) run();
  wait(small);
  return (now() - start) / double(s.repeats);
}

struct Floors {
  double bytes_per_second, operations_per_second;
  double seconds(const Cost& c) const {
    return std::max(c.bytes / bytes_per_second, c.operations / operations_per_second);
  }
};

Floors measure_floors(const Settings& s, Device device) {
  const int64_t n = (int64_t(64) << 20) / s.scale, m = std::max<int64_t>(64, 4096 / s.scale);
  const Tensor x = zeros({n}, DType::Float32, device), a = random32({m, m}, 1, device);
  const double copy = seconds(s, device, [&] { x.clone(); });
  const double product = seconds(s, device, [&] { matmul(a, a); });
  const Floors f{8.0 * double(n) / copy, 2.0 * std::pow(double(m), 3) / product};
  std::printf("floors: copy of %.0f MB %.1f GB/s, product of %lld^2 in float32 %.2f TFLOP/s\n",
              4e-6 * double(n), 1e-9 * f.bytes_per_second, (long long)m,
              1e-12 * f.operations_per_second);
  return f;
}

void print_row(const std::string& name, const char* pass, const Cost& c, double seconds,
               double floor) {
  std::printf("%-24s %-9s %9.1f %9.2f %10.1f %9.1f %6.0f %%\n", name.c_str(), pass, 1e-6 * c.bytes,
              1e-9 * c.operations, 1e6 * seconds, 1e-9 * c.bytes / seconds, 100 * floor / seconds);
}

void bench_adam(const Settings& s, Device device, const Floors& floors) {
  const int64_t n = (int64_t(1) << 20) / s.scale;
  Parameters store(1, DType::Float32, device);
  const Variable p = store.root().parameter("p", {n}, uniform(1));
  Adam adam(store, {});
  {
    Tape tape;
    tape.backward(1.0 * p, random32({n}, 2, device));
  }
  const Cost c{28.0 * double(n), 15.0 * double(n)};
  print_row("Adam, " + std::to_string(n) + " numbers", "step", c,
            seconds(s, device, [&] { adam.step(1e-3); }), floors.seconds(c));
}

int bench_all(const Settings& s) {
  if (s.estimate) {
    const Floors sheet{3.35e12, 67e12};  // NVIDIA H100 SXM: HBM3, float32 without tensor cores
    std::printf("%-24s %-9s %9s %9s %10s\n", "operator", "pass", "MB", "GFLOP", "us");
    // The sizes of ListOps.
    for (const GpuCase& c : gpu_cases({32, 2048, 128}, Device::CPU))
      for (const auto& [pass, cost] :
           {std::pair{"forward", c.forward}, std::pair{"backward", c.backward}})
        std::printf("%-24s %-9s %9.1f %9.2f %10.1f\n", c.name.c_str(), pass, 1e-6 * cost.bytes,
                    1e-9 * cost.operations, 1e6 * sheet.seconds(cost));
    return 0;
  }
  const Device device = device_named(s.device);
  std::printf("device %s, float32, %lld repeats, sizes divided by %lld\n",
              device == Device::CUDA ? "cuda" : "cpu", (long long)s.repeats, (long long)s.scale);
  const Floors floors = measure_floors(s, device);
  std::printf("%-24s %-9s %9s %9s %10s %9s %8s\n", "operator", "pass", "MB", "GFLOP", "us", "GB/s",
              "share");
  for (const GpuCase& c :
       gpu_cases({std::max<int64_t>(1, 32 / s.scale), std::max<int64_t>(64, 2048 / s.scale), 128},
                 device)) {
    const double forward = seconds(s, device, [&] { c.run(c.inputs); });
    print_row(c.name + " " + c.shape, "forward", c.forward, forward, floors.seconds(c.forward));
    const Tensor gy = random32(c.run(c.inputs).shape(), 9, device);
    const double both = seconds(s, device, [&] {
      for (const Variable& v : c.inputs) v.zero_grad();
      Tape tape;
      tape.backward(c.run(c.inputs), gy);
    });
    print_row(c.name, "backward", c.backward, std::max(both - forward, 1e-9),
              floors.seconds(c.backward));
  }
  bench_adam(s, device, floors);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Flags flags("Times operators on a GPU against the floors of the hardware.", "bench_gpu");
  flags.add(settings);
  return run_program(argc, argv, flags, [&] { return bench_all(settings); });
}
