// The processes of a run: one, unless an MPI launcher (mpirun, srun) has started more. They move
// bytes, agree on errors and end together. Nothing here adds numbers, so that no result depends on
// a library of messages. processes_mpi.cpp is the one file that knows MPI; in a build without MPI
// processes_none.cpp takes its place. README.md says how runs of several processes are started.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/check.h"
#include "core/device.h"

namespace skiff {

// Messages from GPU to GPU that do not pass through the memory of the host, so that all addresses
// are of a GPU. An operation begins when the GPU has done what was queued before. An error ends all
// processes.
struct DeviceMessages {
  virtual ~DeviceMessages() = default;
  virtual void start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                                std::byte* receive, std::span<const int64_t> receive_bytes) = 0;
  virtual void start_all_gather(std::byte* data, std::span<const int64_t> bytes) = 0;
  virtual bool has_ended() = 0;
};

// Messages lie in the memory of the host, or of a GPU where message_memory() says so. Every process
// makes the same calls between begin_..() and finish(), in the same order; one operation is on its
// way at a time. A process that waits longer than the time limit for the others prints one line and
// ends them all. It throws no exception, because MPI may still write to the memory of a message,
// which an exception would free.
class Processes {
 public:
  Processes(int rank, int size);
  virtual ~Processes() = default;
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  int rank() const { return rank_; }
  int size() const { return int(hosts_.size()); }
  int rank_on_host() const;  // among the processes of the same host
  const std::vector<std::string>& hosts() const { return hosts_; }  // names, one per process
  std::string name(int rank) const;                                 // "process 1 of 4 (host b)"
  std::string name() const { return name(rank_); }

  // Sends send_bytes[p] bytes to each process p, from `send` on without gaps, and receives
  // receive_bytes[p] from it. Both memories stay untouched until finish().
  void begin_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                        std::byte* receive, std::span<const int64_t> receive_bytes,
                        Device memory = Device::CPU);
  // `data` has bytes[p] bytes for each process p, without gaps; each fills its own part before.
  void begin_all_gather(std::byte* data, std::span<const int64_t> bytes,
                        Device memory = Device::CPU);
  // From process 0 to all.
  void begin_broadcast(std::byte* data, int64_t bytes);
  void finish();

  // Where messages of what lies on this device have to lie: CUDA in a build with NCCL, else CPU.
  // Every process makes the first such call.
  Device message_memory(Device device);

  // Ends all processes at once; the launcher returns `code`.
  [[noreturn]] void abort(int code);

  void set_timeout(double seconds) { timeout_ = seconds; }
  // The end of the line of a process that has waited too long: "at step 7; --resume goes on .."
  void set_place(const std::string& place) { place_ = place; }
  int64_t bytes_sent() const { return bytes_sent_; }  // to other processes, without headers

 protected:
  virtual void start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                                std::byte* receive, std::span<const int64_t> receive_bytes) = 0;
  virtual void start_all_gather(std::byte* data, std::span<const int64_t> bytes) = 0;
  virtual void start_broadcast(std::byte* data, int64_t bytes) = 0;
  virtual bool has_ended() = 0;    // the operation that was started
  virtual void end_others(int) {}  // with this code; may end this process, too
  virtual std::unique_ptr<DeviceMessages> start_device_messages() { return nullptr; }

  std::vector<std::string> hosts_;

 private:
  void begin(int64_t bytes, Device memory);  // that go to and come from other processes
  [[noreturn]] void give_up(double seconds);

  int rank_;
  double timeout_ = 600;
  std::string place_;
  double spin_ = 0;  // seconds
  int64_t bytes_sent_ = 0;
  bool under_way_ = false, on_device_ = false;
  std::optional<std::unique_ptr<DeviceMessages>> device_messages_;  // once they are asked for
};

// Those of this program. The first call starts MPI if a launcher has started this process. Throws
// UsageError if there are several copies of the program that cannot find each other: without MPI in
// this build, or started by something that its MPI does not know.
Processes& processes();
// NCCL in a build with CUDA=1 MPI=1 NCCL=1, null in others. Like MPI it only moves bytes: the order
// of its own sums depends on the number of GPUs. It has run on a stand-in (tests/cuda_host) alone;
// no two GPUs were at hand. Every process calls it.
std::unique_ptr<DeviceMessages> nccl_messages(Processes& processes);
// At the end of main(), on every process: without it the launcher takes the end for a failure.
void end_processes();

// ---- made of the above; every process calls them ----

// What each process passes, in their order.
std::vector<std::string> gather(Processes& processes, const std::string& mine);
// Process p passes counts[p] records; all of them, in the order of the processes.
template <class Record>
std::vector<Record> gather_records(Processes& processes, std::span<const Record> mine,
                                   std::span<const int64_t> counts) {
  static_assert(std::is_trivially_copyable_v<Record>);
  std::vector<int64_t> bytes;
  int64_t before = 0, all = 0;
  for (int p = 0; p < processes.size(); ++p) {
    if (p == processes.rank()) before = all;
    all += counts[size_t(p)];
    bytes.push_back(counts[size_t(p)] * int64_t(sizeof(Record)));
  }
  check(int64_t(mine.size()) == counts[size_t(processes.rank())],
        "gather_records: ", processes.name(), " passes ", counts[size_t(processes.rank())],
        " records, got ", mine.size());
  std::vector<Record> records(static_cast<size_t>(all));
  std::copy(mine.begin(), mine.end(), records.begin() + before);
  processes.begin_all_gather(reinterpret_cast<std::byte*>(records.data()), bytes);
  processes.finish();
  return records;
}

void broadcast(Processes& processes, std::byte* data, int64_t bytes);  // of process 0
void broadcast(Processes& processes, std::string& text);               // of any length

// An error that all processes know: process 0 prints it, and all end by themselves.
struct AgreedError : Error {
  AgreedError(const std::string& message, int code) : Error(message), code(code) {}
  int exit_code() const override { return code; }
  int code;
};

// Runs a stage of the program on every process. When it throws on some of them, all throw an
// AgreedError with what the lowest of these said. The stage itself exchanges nothing.
void together(Processes& processes, const std::function<void()>& stage);

// For main(): ends all processes because of an error of this one, after one line on stderr.
[[noreturn]] void end_all(Processes& processes, const std::string& message, int code);

// One process, which needs no MPI. For builds without it and programs that no launcher started.
class OneProcess : public Processes {
 public:
  OneProcess();

 protected:
  void start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                        std::byte* receive, std::span<const int64_t> receive_bytes) override;
  void start_all_gather(std::byte*, std::span<const int64_t>) override {}
  void start_broadcast(std::byte*, int64_t) override {}
  bool has_ended() override { return true; }
};

// How many processes a launcher says it started; 1 if none says so. launcher_of_mpi: only what
// launchers of MPI say.
int64_t launched_copies(bool launcher_of_mpi = false);
// Throws UsageError "started as N processes, but WHY" if they are several: each copy would take
// itself for the only one, and all would write the same files.
void refuse_copies(const std::string& why);

std::string host_name();

}  // namespace skiff
