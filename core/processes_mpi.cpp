// The processes that an MPI launcher has started. MPI moves bytes and does nothing else: its sums
// have another order for each number of processes.
#define OMPI_SKIP_MPICXX 1  // the C++ interface of old
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>

#include "core/processes.h"

namespace skiff {
namespace {

class MpiProcesses : public Processes {
 public:
  MpiProcesses(int rank, int size) : Processes(rank, size) {
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    hosts_.assign(size_t(size), host_name());  // for messages until all are known
    hosts_ = gather(*this, host_name());
  }

 protected:
  void start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                        std::byte* receive, std::span<const int64_t> receive_bytes) override {
    sent_ = Parts(send_bytes), received_ = Parts(receive_bytes);
    require(MPI_Ialltoallv(send, sent_.counts.data(), sent_.starts.data(), MPI_BYTE, receive,
                           received_.counts.data(), received_.starts.data(), MPI_BYTE,
                           MPI_COMM_WORLD, &request_));
  }

  void start_all_gather(std::byte* data, std::span<const int64_t> bytes) override {
    received_ = Parts(bytes);
    require(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, data, received_.counts.data(),
                            received_.starts.data(), MPI_BYTE, MPI_COMM_WORLD, &request_));
  }

  void start_broadcast(std::byte* data, int64_t bytes) override {
    require(MPI_Ibcast(data, to_int(bytes), MPI_BYTE, 0, MPI_COMM_WORLD, &request_));
  }

  bool has_ended() override {
    int ended = 0;
    require(MPI_Test(&request_, &ended, MPI_STATUS_IGNORE));
    return ended != 0;
  }

  void end_others(int code) override { MPI_Abort(MPI_COMM_WORLD, code); }

  std::unique_ptr<DeviceMessages> start_device_messages() override { return nccl_messages(*this); }

 private:
  static int to_int(int64_t bytes) {
    check(bytes <= std::numeric_limits<int>::max(), "processes: a message has at most 2 GB, got ",
          bytes, " bytes");
    return int(bytes);
  }

  // Sizes and places of the parts of a message, in the type of MPI.
  struct Parts {
    Parts() = default;
    explicit Parts(std::span<const int64_t> bytes) {
      int64_t start = 0;
      for (const int64_t part : bytes) {
        starts.push_back(to_int(start));
        counts.push_back(to_int(part));
        start += part;
      }
    }
    std::vector<int> counts, starts;
  };

  void require(int code) {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = {};
    int length = 0;
    MPI_Error_string(code, text, &length);
    end_all(*this, std::string("MPI: ") + text, 1);
  }

  MPI_Request request_ = MPI_REQUEST_NULL;
  Parts sent_, received_;  // MPI reads them until the operation has ended
};

bool launched() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "PMI_RANK"})
    if (std::getenv(variable)) return true;
  return false;
}

std::unique_ptr<Processes> start() {
  if (!launched()) {
    refuse_copies("not started by an MPI that it knows: use mpirun, or srun --mpi=pmix");
    return std::make_unique<OneProcess>();
  }
  int level = 0, rank = 0, size = 1;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level) == MPI_SUCCESS &&
            level >= MPI_THREAD_FUNNELED,
        "MPI: cannot be started for a program with threads");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (const int64_t copies = launched_copies(/*launcher_of_mpi=*/true); size == 1 && copies > 1) {
    // No error that main() reports: it would ask for the processes again, and so start MPI twice.
    std::fprintf(stderr,
                 "error: started as %lld processes, but built with another MPI than the one that "
                 "started it\n",
                 (long long)copies);
    MPI_Finalize();
    std::_Exit(2);
  }
  return std::make_unique<MpiProcesses>(rank, size);
}

}  // namespace

// Not destroyed at exit(): a process that exits because of an error must not wait for the others.
Processes& processes() {
  static Processes* const all = start().release();
  return *all;
}

void end_processes() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  if (started && !ended) MPI_Finalize();
}

}  // namespace skiff
