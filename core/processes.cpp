#include "core/processes.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <thread>

namespace skiff {

namespace {

using Clock = std::chrono::steady_clock;

// A wait begins with tests one after the other, between which another process may have the core;
// then the process sleeps, so that it takes no core from those it waits for. A message advances by
// a piece with each test: the first part lasts as long as its bytes take at 100 MB/s.
constexpr double kSpin = 100e-6, kSpinPerByte = 10e-9, kFirstSleep = 50e-6, kLongestSleep = 1e-3;

// All bytes but those of one process.
int64_t bytes_of_others(std::span<const int64_t> bytes, int rank) {
  return std::accumulate(bytes.begin(), bytes.end(), int64_t(0)) - bytes[size_t(rank)];
}

}  // namespace

Processes::Processes(int rank, int size) : hosts_(size_t(size)), rank_(rank) {}

std::string Processes::name(int rank) const {
  return "process " + std::to_string(rank) + " of " + std::to_string(size()) + " (host " +
         hosts_[size_t(rank)] + ")";
}

int Processes::rank_on_host() const {
  return int(std::count(hosts_.begin(), hosts_.begin() + rank_, hosts_[size_t(rank_)]));
}

Device Processes::message_memory(Device device) {
  if (device == Device::CPU || size() == 1) return Device::CPU;
  if (!device_messages_) device_messages_ = start_device_messages();
  return *device_messages_ ? device : Device::CPU;
}

void Processes::begin(int64_t bytes, Device memory) {
  check(!under_way_, "processes: an operation begins before the one before it has ended");
  check(memory == Device::CPU || (device_messages_ && *device_messages_),
        "processes: messages between GPUs need NCCL");
  under_way_ = true;
  on_device_ = memory != Device::CPU;
  spin_ = kSpin + kSpinPerByte * double(bytes);
}

void Processes::begin_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                                 std::byte* receive, std::span<const int64_t> receive_bytes,
                                 Device memory) {
  const int64_t sent = bytes_of_others(send_bytes, rank_);
  begin(sent + bytes_of_others(receive_bytes, rank_), memory);
  bytes_sent_ += sent;
  if (on_device_)
    (*device_messages_)->start_all_to_all(send, send_bytes, receive, receive_bytes);
  else
    start_all_to_all(send, send_bytes, receive, receive_bytes);
}

void Processes::begin_all_gather(std::byte* data, std::span<const int64_t> bytes, Device memory) {
  const int64_t sent = (size() - 1) * bytes[size_t(rank_)];
  begin(sent + bytes_of_others(bytes, rank_), memory);
  bytes_sent_ += sent;
  if (on_device_)
    (*device_messages_)->start_all_gather(data, bytes);
  else
    start_all_gather(data, bytes);
}

void Processes::begin_broadcast(std::byte* data, int64_t bytes) {
  begin(bytes, Device::CPU);
  bytes_sent_ += rank_ == 0 ? (size() - 1) * bytes : 0;
  start_broadcast(data, bytes);
}

void Processes::finish() {
  const Clock::time_point start = Clock::now();
  const auto waited = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto ended = [&] { return on_device_ ? (*device_messages_)->has_ended() : has_ended(); };
  for (double sleep = kFirstSleep; !ended();) {
    const double seconds = waited();
    if (seconds > timeout_) give_up(seconds);
    if (seconds < spin_) {
      std::this_thread::yield();
      continue;
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(sleep));
    sleep = std::min(2 * sleep, kLongestSleep);
  }
  under_way_ = false;
}

void Processes::abort(int code) {
  std::fflush(nullptr);
  // MPICH's launcher at times loses a line that is written just before.
  if (size() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  end_others(code);
  std::_Exit(code);
}

void Processes::give_up(double seconds) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s waited %.0f s for the others%s%s\n", name().c_str(), seconds,
               place_.empty() ? "" : " ", place_.c_str());
  abort(1);
}

// ---- one process ----

OneProcess::OneProcess() : Processes(0, 1) { hosts_[0] = host_name(); }

void OneProcess::start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                                  std::byte* receive, std::span<const int64_t>) {
  if (send_bytes[0] > 0) std::memcpy(receive, send, size_t(send_bytes[0]));
}

int64_t launched_copies(bool launcher_of_mpi) {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    if (launcher_of_mpi && std::strcmp(variable, "SLURM_STEP_NUM_TASKS") == 0) continue;
    if (const char* value = std::getenv(variable); value && std::atoi(value) > 1)
      return std::atoi(value);
  }
  return 1;
}

void refuse_copies(const std::string& why) {
  const int64_t copies = launched_copies();
  check<UsageError>(copies == 1, "started as ", copies, " processes, but ", why);
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

// ---- made of the others ----

std::vector<std::string> gather(Processes& processes, const std::string& mine) {
  const size_t count = size_t(processes.size());
  const auto size = int64_t(mine.size());
  const std::vector<int64_t> ones(count, 1);
  const std::vector<int64_t> sizes = gather_records(processes, std::span(&size, 1), ones);
  const std::vector<char> text =
      gather_records(processes, std::span<const char>(mine.data(), mine.size()), sizes);
  std::vector<std::string> all;
  int64_t at = 0;
  for (const int64_t bytes : sizes) {
    all.emplace_back(text.data() + at, size_t(bytes));
    at += bytes;
  }
  return all;
}

void broadcast(Processes& processes, std::byte* data, int64_t bytes) {
  processes.begin_broadcast(data, bytes);
  processes.finish();
}

void broadcast(Processes& processes, std::string& text) {
  auto size = int64_t(text.size());
  broadcast(processes, reinterpret_cast<std::byte*>(&size), int64_t(sizeof size));
  text.resize(size_t(size));
  broadcast(processes, reinterpret_cast<std::byte*>(text.data()), size);
}

void together(Processes& processes, const std::function<void()>& stage) {
  if (processes.size() == 1) return stage();
  int code = 0;
  std::string message;
  try {
    stage();
  } catch (const Error& error) {
    code = error.exit_code(), message = error.what();
  } catch (const std::bad_alloc&) {
    code = 1, message = "out of memory";
  } catch (const std::exception& error) {
    code = 1, message = error.what();
  }
  // A code is below 256. The first character tells errors from stages that went well.
  const std::vector<std::string> outcomes =
      gather(processes, code == 0 ? "" : std::string(1, char(code)) + message);
  const auto failed = [](const std::string& outcome) { return !outcome.empty(); };
  const auto first = std::find_if(outcomes.begin(), outcomes.end(), failed);
  if (first == outcomes.end()) return;
  const auto count = std::count_if(outcomes.begin(), outcomes.end(), failed);
  throw AgreedError(first->substr(1) + " (" + processes.name(int(first - outcomes.begin())) +
                        ", on " + std::to_string(count) + " of " +
                        std::to_string(processes.size()) + " processes)",
                    static_cast<unsigned char>((*first)[0]));
}

void end_all(Processes& processes, const std::string& message, int code) {
  std::fflush(stdout);
  const std::string who = processes.size() > 1 ? processes.name() + ": " : "";
  std::fprintf(stderr, "error: %s%s\n", who.c_str(), message.c_str());
  processes.abort(code);
}

}  // namespace skiff
