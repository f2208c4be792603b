// Messages between GPUs by NCCL: https://docs.nvidia.com/deeplearning/nccl/ (point to point,
// groups).
#include <cuda_runtime.h>
#include <nccl.h>

#include <cstring>
#include <numeric>
#include <string>

#include "core/processes.h"

namespace skiff {
namespace {

class NcclMessages : public DeviceMessages {
 public:
  explicit NcclMessages(Processes& processes)
      : processes_(processes), rank_(processes.rank()), size_(processes.size()) {
    ncclUniqueId id;
    std::memset(&id, 0, sizeof id);
    if (rank_ == 0) require(ncclGetUniqueId(&id), "ncclGetUniqueId");
    broadcast(processes, reinterpret_cast<std::byte*>(&id), int64_t(sizeof id));
    require(ncclCommInitRank(&all_, size_, id, rank_), "ncclCommInitRank");
    require(cudaEventCreateWithFlags(&ended_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }

  // The processes of a run live as long as the program, which does not wait for the GPUs at its
  // end; so nothing is given back here.
  ~NcclMessages() override = default;

  void start_all_to_all(const std::byte* send, std::span<const int64_t> send_bytes,
                        std::byte* receive, std::span<const int64_t> receive_bytes) override {
    require(ncclGroupStart(), "ncclGroupStart");
    for (size_t p = 0; p < size_t(size_); ++p) {
      this->send(send, send_bytes[p], int(p));
      this->receive(receive, receive_bytes[p], int(p));
      send += send_bytes[p];
      receive += receive_bytes[p];
    }
    end_group();
  }

  // ncclAllGather asks for parts of one size.
  void start_all_gather(std::byte* data, std::span<const int64_t> bytes) override {
    const std::byte* own = data + std::accumulate(bytes.begin(), bytes.begin() + rank_, int64_t(0));
    require(ncclGroupStart(), "ncclGroupStart");
    for (size_t p = 0; p < size_t(size_); ++p) {
      if (int(p) != rank_) {
        send(own, bytes[size_t(rank_)], int(p));
        receive(data, bytes[p], int(p));
      }
      data += bytes[p];
    }
    end_group();
  }

  bool has_ended() override {
    ncclResult_t result = ncclSuccess;
    require(ncclCommGetAsyncError(all_, &result), "ncclCommGetAsyncError");
    require(result, "a message between GPUs");
    const cudaError_t status = cudaEventQuery(ended_);
    if (status == cudaErrorNotReady) return false;
    require(status, "cudaEventQuery");
    return true;
  }

 private:
  void send(const std::byte* data, int64_t bytes, int to) {
    if (bytes > 0) require(ncclSend(data, size_t(bytes), ncclInt8, to, all_, nullptr), "ncclSend");
  }
  void receive(std::byte* data, int64_t bytes, int from) {
    if (bytes > 0)
      require(ncclRecv(data, size_t(bytes), ncclInt8, from, all_, nullptr), "ncclRecv");
  }
  void end_group() {
    require(ncclGroupEnd(), "ncclGroupEnd");
    require(cudaEventRecord(ended_, nullptr), "cudaEventRecord");
  }

  void require(ncclResult_t result, const char* call) {
    if (result != ncclSuccess) end(call, ncclGetErrorString(result));
  }
  void require(cudaError_t error, const char* call) {
    if (error != cudaSuccess) end(call, cudaGetErrorString(error));
  }
  [[noreturn]] void end(const std::string& call, const std::string& reason) {
    end_all(processes_, "NCCL: " + call + ": " + reason, 1);
  }

  Processes& processes_;
  int rank_, size_;
  ncclComm_t all_ = nullptr;
  cudaEvent_t ended_ = nullptr;
};

}  // namespace

std::unique_ptr<DeviceMessages> nccl_messages(Processes& processes) {
  return std::make_unique<NcclMessages>(processes);
}

}  // namespace skiff
