// The two arenas, and what happens when one side touches the other's.
//
// The device's arena is closed while the program runs and open while the stream does; the host's
// holds every tensor of the CPU and is closed while a kernel or a library call runs. Not watched:
// other memory of the host, its stack, its heap and its constants.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "tests/cuda_host/device.h"
#include "tests/cuda_host/host.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) (void(at), void(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) (void(at), void(bytes))
#endif

namespace cuda_host {
namespace {

constexpr size_t kReserved = size_t(1) << 36, kAlign = 256, kZone = 256;
constexpr size_t kQuarantine = 16;  // freed blocks that wait before they are used again
size_t rounded(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
constexpr uintptr_t kPage = 4096;
std::string outside(size_t bytes, const char* name) {
  return "a write outside of a block of " + std::to_string(bytes) + " bytes of " + name + " memory";
}

}  // namespace

struct Arena::Maps {
  std::map<char*, size_t> live,
      free;  // start of a block -> bytes asked for; start of a gap -> bytes
  std::deque<std::pair<char*, size_t>> quarantine;  // gaps to be
};

Arena::Arena(const char* name) : name_(name), maps_(new Maps) {
  void* at =
      mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    std::perror("cuda_host: cannot reserve memory");
    std::abort();
  }
  base_ = static_cast<char*>(at);
}

// A gap holds zone, block, zone.
void* Arena::allocate(size_t bytes) {
  const size_t need = rounded(bytes) + 2 * kZone;
  auto gap = std::find_if(maps_->free.begin(), maps_->free.end(),
                          [&](const auto& g) { return g.second >= need; });
  char* start;
  if (gap != maps_->free.end()) {
    start = gap->first;
    const size_t rest = gap->second - need;
    maps_->free.erase(gap);
    if (rest > 0) maps_->free[start + need] = rest;
  } else {
    if (used_ + need > kReserved) return nullptr;
    start = base_ + used_;
    used_ += need;
  }
  char* const block = start + kZone;
  open_pages(start, need, true);  // also when the arena is open: these pages may be its first use
  ASAN_UNPOISON_MEMORY_REGION(start, need);
  std::memset(start, 0xff, need);
  ASAN_POISON_MEMORY_REGION(start, kZone);
  ASAN_POISON_MEMORY_REGION(block + bytes, need - kZone - bytes);
  maps_->live[block] = bytes;
  if (!open_) open_pages(start, need, false);
  return block;
}

bool Arena::release(void* block) {
  const auto found = maps_->live.find(static_cast<char*>(block));
  if (found == maps_->live.end()) return false;
  const size_t need = rounded(found->second) + 2 * kZone;
  char* const start = found->first - kZone;
  if (!open_) open_pages(start, need, true);
  if (!zones_are_whole(found->first, found->second)) fault(outside(found->second, name_));
  maps_->live.erase(found);
  ASAN_UNPOISON_MEMORY_REGION(start, need);
  std::memset(start, 0xff, need);
  ASAN_POISON_MEMORY_REGION(start, need);
  if (!open_) open_pages(start, need, false);
  maps_->quarantine.emplace_back(start, need);
  if (maps_->quarantine.size() > kQuarantine) {
    auto [at, bytes] = maps_->quarantine.front();
    maps_->quarantine.pop_front();
    const auto after = maps_->free.find(at + bytes);
    if (after != maps_->free.end()) {
      bytes += after->second;
      maps_->free.erase(after);
    }
    auto before = maps_->free.lower_bound(at);
    if (before != maps_->free.begin() && (--before)->first + before->second == at)
      before->second += bytes;
    else
      maps_->free[at] = bytes;
  }
  return true;
}

bool Arena::owns(const void* at) const { return at >= base_ && at < base_ + used_; }

bool Arena::covers(const void* at, size_t bytes) const {
  const char* const from = static_cast<const char*>(at);
  auto block = maps_->live.upper_bound(const_cast<char*>(from));
  if (block == maps_->live.begin()) return false;
  --block;
  return from + bytes <= block->first + block->second;
}

void Arena::open_pages(const void* at, size_t bytes, bool accessible) {
  const uintptr_t first = uintptr_t(at) / kPage * kPage;
  const uintptr_t last = (uintptr_t(at) + bytes + kPage - 1) / kPage * kPage;
  mprotect(reinterpret_cast<void*>(first), last - first,
           accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void Arena::open(bool accessible) {
  if (used_ > 0) open_pages(base_, used_, accessible);
  open_ = accessible;
}

bool Arena::zones_are_whole([[maybe_unused]] const char* block,
                            [[maybe_unused]] size_t bytes) const {
#if defined(__SANITIZE_ADDRESS__)
  return true;  // they are poisoned: a write has been reported where it happened
#else
  const auto whole = [](const char* at, size_t n) {
    return std::all_of(at, at + n, [](char c) { return c == char(0xff); });
  };
  return whole(block - kZone, kZone) && whole(block + bytes, rounded(bytes) + kZone - bytes);
#endif
}

void Arena::check_zones() {
  for (const auto& [block, bytes] : maps_->live) {
    if (zones_are_whole(block, bytes)) continue;
    fault(outside(bytes, name_));
    std::memset(block - kZone, 0xff, kZone);
    std::memset(block + bytes, 0xff, rounded(bytes) + kZone - bytes);
  }
}

Arena& device_memory() {
  static Arena* arena = [] {
    Arena* made = new Arena("device");
    made->open(false);
    return made;
  }();
  return *arena;
}
Arena& host_memory() {
  static Arena* arena = new Arena("host");
  return *arena;
}

bool require_device(const void* at, size_t bytes, const char* what) {
  if (bytes == 0 || device_memory().covers(at, bytes)) return true;
  fault(std::string(what) + " reaches " + std::to_string(bytes) + " bytes, " +
        (device_memory().owns(at) ? "beyond its block of device memory"
                                  : "at an address that is not of the device"));
  return false;
}

// ---- a touch of a closed arena ----

namespace {
struct sigaction earlier;

void on_signal(int signal, siginfo_t* info, void* context) {
  const char* what = device_memory().owns(info->si_addr) ? "the host touched device memory"
                     : host_memory().owns(info->si_addr) ? "the device touched host memory"
                                                         : nullptr;
  if (!what) {  // not ours
    sigaction(SIGSEGV, &earlier, nullptr);
    if (earlier.sa_flags & SA_SIGINFO && earlier.sa_sigaction)
      earlier.sa_sigaction(signal, info, context);
    return;  // or meet it again
  }
  char line[120];
  const int length = std::snprintf(line, sizeof line, "cuda_host: fault: %s\n", what);
  (void)!write(2, line, size_t(length));
  _exit(86);
}

const bool watching = [] {
  (void)device_memory();
  (void)host_memory();
  static char* stack = new char[1 << 16];  // a fiber may have none left
  const stack_t alternative{.ss_sp = stack, .ss_flags = 0, .ss_size = 1 << 16};
  sigaltstack(&alternative, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &earlier);
  return true;
}();
}  // namespace

}  // namespace cuda_host

// ---- the memory of the CPU's tensors (linked with --wrap) ----

extern "C" {
void* __real_free(void* block);
void* __wrap_aligned_alloc(size_t, size_t bytes) {
  return cuda_host::host_memory().allocate(bytes);
}
void __wrap_free(void* block) {
  if (!cuda_host::host_memory().owns(block))
    __real_free(block);
  else if (!cuda_host::host_memory().release(block))
    cuda_host::fault("a block of host memory freed twice");
}
}
