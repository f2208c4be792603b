// Runs the grids of kernels: block after block, the threads of a block as fibers that change at
// barriers and shuffles only. A warp runs as far as it can before another one does.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "tests/cuda_host/device.h"
#include "tests/cuda_host/fiber.h"
#include "tests/cuda_host/host.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

// ---- shared memory: the array behind skiff::cuda::shared_memory() ----

constexpr size_t kSharedBytes = 227 << 10, kSharedZone = 256;
namespace skiff::cuda {
alignas(4096) extern unsigned char shared_bytes[];
alignas(4096) unsigned char shared_bytes[kSharedBytes + kSharedZone];
}  // namespace skiff::cuda

namespace cuda_host {
namespace {

using skiff::cuda::shared_bytes;
constexpr int kWarp = 32, kMostThreads = 1024;

enum class State { kReady, kAtBlock, kAtWarp, kDone };
struct Thread {
  State state;
  Site site;      // where it waits
  unsigned mask;  // of the warp barrier it waits at
  int parity;     // of its exchanges: a fast lane may be one ahead
  Fiber fiber;
  bool started;
  uint3 index;
};

struct Block {
  std::array<Thread, kMostThreads> threads;
  std::array<std::array<uint64_t, kMostThreads>, 2> slots;
  int count = 0, current = 0, warp = 0;
  const std::function<void()>* body = nullptr;
  Fiber host;
  bool failed = false;
  uint64_t turn = 0;
};
Block& block() {
  static Block* b = new Block();
  return *b;
}

std::string place(Site s) {
  const std::string file = s.file;
  return std::string(s.what) + " (" + file.substr(file.rfind('/') + 1) + ":" +
         std::to_string(s.line) + ")";
}
bool same(Site a, Site b) {
  return a.line == b.line && a.file == b.file &&
         a.what == b.what;  // one kernel has one of each text
}

void to_host() {
  Block& b = block();
  in_kernel = false;
  switch_fiber(b.threads[size_t(b.current)].fiber, b.host);
  in_kernel = true;
}

void thread_entry() {
  Block& b = block();
  enter_fiber(b.host);
  for (;;) {  // a fiber that ended one thread begins another
    in_kernel = true;
    (*b.body)();
    b.threads[size_t(b.current)].state = State::kDone;
    to_host();
  }
}

void run_thread(int i) {
  Block& b = block();
  Thread& t = b.threads[size_t(i)];
  if (!t.started) make_fiber(t.fiber, thread_entry);
  t.started = true;
  b.current = i;
  threadIdx = t.index;
  switch_fiber(b.host, t.fiber);
}

[[noreturn]] void fail_thread(const std::string& what) {
  fault(what);
  block().failed = true;
  for (;;) to_host();  // this fiber is given up
}

int warp_size(int warp) { return std::min(kWarp, block().count - warp * kWarp); }

// Lets a group of lanes go on whose every member, named by a common mask, waits at one barrier.
bool release_warp(int warp) {
  Block& b = block();
  Thread* const lanes = &b.threads[size_t(warp * kWarp)];
  bool released = false;
  for (int first = 0; first < warp_size(warp); ++first) {
    if (lanes[first].state != State::kAtWarp) continue;
    const unsigned mask = lanes[first].mask;
    const Site site = lanes[first].site;
    bool complete = true;
    for (int l = 0; l < kWarp; ++l)
      if (mask >> l & 1)
        complete = complete && l < warp_size(warp) && lanes[l].state == State::kAtWarp &&
                   lanes[l].mask == mask && same(lanes[l].site, site);
    if (!complete) continue;
    for (int l = 0; l < kWarp; ++l)
      if (mask >> l & 1) lanes[l].state = State::kReady;
    released = true;
  }
  return released;
}

bool release_block() {
  Block& b = block();
  for (int i = 0; i < b.count; ++i)
    if (b.threads[size_t(i)].state != State::kAtBlock ||
        !same(b.threads[size_t(i)].site, b.threads[0].site))
      return false;
  for (int i = 0; i < b.count; ++i) b.threads[size_t(i)].state = State::kReady;
  return true;
}

// Why no thread of the block can go on.
std::string diagnosis() {
  const Block& b = block();
  for (int i = 0; i < b.count; ++i) {
    const Thread& t = b.threads[size_t(i)];
    if (t.state != State::kAtWarp) continue;
    const int warp = i / kWarp;
    unsigned absent = 0;
    for (int l = 0; l < kWarp; ++l) {
      const Thread& other = b.threads[size_t(warp * kWarp + l)];
      const bool there = l < std::min(kWarp, b.count - warp * kWarp) &&
                         other.state == State::kAtWarp && other.mask == t.mask &&
                         same(other.site, t.site);
      if (t.mask >> l & 1 && !there) absent |= 1u << l;
    }
    char lanes[16];
    std::snprintf(lanes, sizeof lanes, "0x%08x", absent);
    return "lanes " + std::string(lanes) + " are absent from " + place(t.site) +
           " that waits for them";
  }
  const Thread* waiting = nullptr;
  int ended = 0;
  for (int i = 0; i < b.count; ++i) {
    const Thread& t = b.threads[size_t(i)];
    if (t.state == State::kDone) {
      ++ended;
    } else if (!waiting) {
      waiting = &t;
    } else if (!same(waiting->site, t.site)) {
      return "threads of one block wait at different barriers, " + place(waiting->site) + " and " +
             place(t.site);
    }
  }
  return std::to_string(ended) + " threads of a block ended while others wait at " +
         place(waiting->site);
}

int choose_warp(const std::vector<int>& live) {
  Block& b = block();
  Schedule& s = schedule();
  if (s.kind == Schedule::Kind::kForward) return live.front();
  if (s.kind == Schedule::Kind::kReverse) return live.back();
  if (std::find(live.begin(), live.end(), b.warp) != live.end() && s.below(8) != 0) return b.warp;
  return live[size_t(s.below(int64_t(live.size())))];
}

void run_warp(int warp) {
  Block& b = block();
  b.warp = warp;
  const int lanes = warp_size(warp);
  ++b.turn;
  for (int i = 0; i < lanes && !b.failed; ++i) {
    const int t = warp * kWarp + int(schedule().at(i, lanes, int64_t(b.turn)));
    if (b.threads[size_t(t)].state == State::kReady) run_thread(t);
  }
}

bool run_block() {
  Block& b = block();
  for (int i = 0; i < b.count; ++i) {
    b.threads[size_t(i)].state = State::kReady;
    b.threads[size_t(i)].parity = 0;
  }
  const int warps = (b.count + kWarp - 1) / kWarp;
  std::vector<int> live(static_cast<size_t>(warps));
  std::iota(live.begin(), live.end(), 0);
  for (;;) {
    const int warp = choose_warp(live);
    do run_warp(warp);
    while (!b.failed && release_warp(warp) && schedule().kind != Schedule::Kind::kSeeded);
    if (b.failed) return false;
    const auto runs = [&](int w) {
      const Thread* first = &b.threads[size_t(w * kWarp)];
      return std::any_of(first, first + warp_size(w),
                         [](const Thread& t) { return t.state == State::kReady; });
    };
    if (!runs(warp)) std::erase(live, warp);
    if (!live.empty()) continue;
    const auto done = [](const Thread& t) { return t.state == State::kDone; };
    if (std::all_of(b.threads.begin(), b.threads.begin() + b.count, done)) return true;
    if (!release_block()) {
      fault(diagnosis());
      return false;
    }
    live.resize(size_t(warps));
    std::iota(live.begin(), live.end(), 0);
  }
}

void fence_shared([[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(shared_bytes, bytes);
  ASAN_POISON_MEMORY_REGION(shared_bytes + bytes, kSharedBytes + kSharedZone - bytes);
#else
  std::memset(shared_bytes + bytes, 0xff, kSharedZone);
#endif
}
bool shared_zone_is_whole([[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#else
  return std::all_of(shared_bytes + bytes, shared_bytes + bytes + kSharedZone,
                     [](unsigned char c) { return c == 0xff; });
#endif
}

void run_grid(const cudaLaunchConfig_t& config, const std::function<void()>& body) {
  Block& b = block();
  gridDim = config.gridDim;
  blockDim = config.blockDim;
  b.count = int(blockDim.x * blockDim.y * blockDim.z);
  b.body = &body;
  b.failed = false;
  for (unsigned i = 0; i < unsigned(b.count); ++i)
    b.threads[i].index = {i % blockDim.x, i / blockDim.x % blockDim.y,
                          i / (blockDim.x * blockDim.y)};
  const int64_t blocks = int64_t(gridDim.x) * gridDim.y * gridDim.z;
  const int64_t turn = int64_t(++b.turn);
  fence_shared(config.dynamicSmemBytes);
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t at = schedule().at(i, blocks, turn), x = gridDim.x, y = gridDim.y;
    blockIdx = {unsigned(at % x), unsigned(at / x % y), unsigned(at / (x * y))};
    std::memset(shared_bytes, 0xff, config.dynamicSmemBytes);
    const bool completed = run_block();
    if (completed && !shared_zone_is_whole(config.dynamicSmemBytes)) {
      fault("a block wrote beyond its " + std::to_string(config.dynamicSmemBytes) +
            " bytes of shared memory");
      return;
    }
    if (!completed) {
      for (Thread& t : b.threads) t.started = false;  // what they were in the middle of is given up
      return;
    }
  }
}

// $CUDA_HOST_WITHOUT = FILE:LINE takes the barrier on that line out of the program.
bool is_left_out(Site site) {
  static const char* const named = std::getenv("CUDA_HOST_WITHOUT");
  static const std::string without = named ? named : "";
  return !without.empty() &&
         (std::string(site.file) + ':' + std::to_string(site.line)).ends_with(without);
}

void wait_for_warp(unsigned mask, Site site) {
  if (!(mask >> lane() & 1))
    fail_thread("a lane that its own mask leaves out calls " + place(site));
  Thread& t = block().threads[size_t(block().current)];
  t.state = State::kAtWarp;
  t.site = site;
  t.mask = mask;
  to_host();
}

bool launchable(const cudaLaunchConfig_t& c) {
  const dim3 b = c.blockDim, g = c.gridDim;
  return b.x >= 1 && b.y >= 1 && b.z >= 1 && b.z <= 64 && b.x <= 1024 && b.y <= 1024 &&
         uint64_t(b.x) * b.y * b.z <= kMostThreads && g.x >= 1 && g.y >= 1 && g.z >= 1 &&
         g.x <= 0x7fffffff && g.y <= 65535 && g.z <= 65535;
}

}  // namespace

int lane() { return block().current % kWarp; }

void block_barrier(Site site) {
  if (is_left_out(site)) return;
  Thread& t = block().threads[size_t(block().current)];
  t.state = State::kAtBlock;
  t.site = site;
  to_host();
}

void warp_barrier(unsigned mask, Site site) {
  if (!is_left_out(site)) wait_for_warp(mask, site);
}

uint64_t exchange(unsigned mask, uint64_t bits, int from_lane, Site site) {
  Block& b = block();
  const int self = b.current, parity = b.threads[size_t(self)].parity;
  b.threads[size_t(self)].parity = 1 - parity;
  b.slots[size_t(parity)][size_t(self)] = bits;
  wait_for_warp(mask, site);
  if (from_lane < 0 || from_lane >= kWarp || !(mask >> from_lane & 1))
    fail_thread(place(site) + " reads lane " + std::to_string(from_lane) +
                ", which the mask leaves out");
  return b.slots[size_t(parity)][size_t(self - self % kWarp + from_lane)];
}

cudaError_t submit_grid(const cudaLaunchConfig_t& config, std::function<void()> body) {
  if (!launchable(config)) return remember(cudaErrorInvalidConfiguration);
  if (config.dynamicSmemBytes > (48 << 10)) return remember(cudaErrorInvalidValue);
  if (config.stream != nullptr) fault("a launch into another stream than the default one");
  enqueue(Reach::kDevice, [config, body = std::move(body)] { run_grid(config, body); });
  return cudaSuccess;
}

}  // namespace cuda_host
