// What the parts of the emulation share: faults, the stream, memory, the schedule.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <string>

namespace cuda_host {

// ---- faults ----

// A mistake of the program under test: printed at once, an error of every later call of the
// runtime, and a failing exit code of the program.
void fault(const std::string& what);
cudaError_t remember(cudaError_t error);  // for cudaGetLastError; returned as it is

// ---- the schedule, $CUDA_HOST_SCHEDULE: forward (if not set), reverse, or a seed ----

// Forward and reverse take blocks, warps and lanes in that order and run the stream as late as they
// can. A seeded one shuffles them, is unfair to most warps, and runs the stream early at times.
struct Schedule {
  enum class Kind { kForward, kReverse, kSeeded } kind;
  uint64_t seed, state = seed;                           // state: of the generator
  int64_t below(int64_t n);                              // a random number in 0 .. n-1
  int64_t at(int64_t i, int64_t n, int64_t turn) const;  // the i-th of 0 .. n-1 in this order
};
Schedule& schedule();

// ---- the stream: there is one, the default stream ----

enum class Reach { kDevice, kBoth };  // what a job may touch
void enqueue(Reach reach, std::function<void()> job);
void drain();  // runs all that is queued

// ---- memory ----

// Two arenas, the device's and the host's tensors'. Each is accessible only to the side it belongs
// to. Blocks are surrounded by zones that nobody may touch and start as NaN patterns; a freed block
// is not handed out again at once.
class Arena {
 public:
  explicit Arena(const char* name);
  void* allocate(size_t bytes);
  bool release(void* block);                        // false: not the start of a live block
  bool owns(const void* at) const;                  // an address of this arena
  bool covers(const void* at, size_t bytes) const;  // inside one live block
  void open(bool accessible);
  void check_zones();  // a fault for each block written beyond; the arena must be open

 private:
  struct Maps;
  bool zones_are_whole(const char* block, size_t bytes) const;
  void open_pages(const void* at, size_t bytes, bool accessible);
  const char* name_;
  char* base_;
  size_t used_ = 0;
  bool open_ = true;
  Maps* maps_;
};
Arena& device_memory();
Arena& host_memory();

// A fault unless [at, at + bytes) lies in one live block of the device.
bool require_device(const void* at, size_t bytes, const char* what);

}  // namespace cuda_host
