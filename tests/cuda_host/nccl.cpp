// A stand-in for NCCL on MPI: the messages of a group travel when the stream comes to them. It
// checks that they lie inside a block of device memory, and that calls come in a group; a message
// that nobody sends is waited for, as NCCL does. Where $CUDA_HOST_NCCL is set, to anything, a byte
// of each message changes on its way: the test of the tests.
#include "tests/cuda_host/nccl.h"

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/cuda_host/host.h"

using cuda_host::fault;

struct ncclComm {
  MPI_Comm all;
};

namespace {

struct Message {
  bool is_sent;
  std::byte* data;
  size_t bytes;
  int peer;
  MPI_Comm all;
};
bool in_group = false;
std::vector<Message> group;

void run(const std::vector<Message>& messages) {
  std::vector<MPI_Request> requests;
  for (const Message& m : messages) {
    if (!cuda_host::require_device(m.data, m.bytes, "a message between GPUs")) return;
    requests.push_back(MPI_REQUEST_NULL);
    if (m.is_sent)
      MPI_Isend(m.data, int(m.bytes), MPI_BYTE, m.peer, 0, m.all, &requests.back());
    else
      MPI_Irecv(m.data, int(m.bytes), MPI_BYTE, m.peer, 0, m.all, &requests.back());
  }
  MPI_Waitall(int(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  static const bool damages = std::getenv("CUDA_HOST_NCCL") != nullptr;
  for (const Message& m : messages)
    if (damages && !m.is_sent) m.data[0] ^= std::byte(1);
}

ncclResult_t add(Message message) {
  if (!in_group) {
    fault("a message between GPUs outside a group: two that wait for each other never end");
    return ncclInvalidUsage;
  }
  group.push_back(message);
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 7, sizeof *id);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* all, int size, ncclUniqueId id, int rank) {
  int mine = 0, count = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &mine);
  MPI_Comm_size(MPI_COMM_WORLD, &count);
  if (mine != rank || count != size || id.internal[0] != 7 || id.internal[127] != 7)
    return ncclInvalidArgument;
  *all = new ncclComm;
  MPI_Comm_dup(MPI_COMM_WORLD, &(*all)->all);
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* result) {
  *result = ncclSuccess;
  return ncclSuccess;
}
ncclResult_t ncclGroupStart() {
  in_group = true;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  in_group = false;
  cuda_host::enqueue(cuda_host::Reach::kBoth, [messages = std::move(group)] { run(messages); });
  group.clear();
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t, int to, ncclComm_t all,
                      cudaStream_t) {
  return add({true, static_cast<std::byte*>(const_cast<void*>(data)), count, to, all->all});
}
ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t, int from, ncclComm_t all,
                      cudaStream_t) {
  return add({false, static_cast<std::byte*>(data), count, from, all->all});
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclInvalidUsage ? "invalid usage" : "invalid argument";
}

}  // extern "C"
