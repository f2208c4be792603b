// The part of NCCL's interface that the project uses, for the stand-in of the emulation (nccl.cpp).
// Names and types are those of https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/api.html.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

extern "C" {
typedef struct ncclComm* ncclComm_t;
struct ncclUniqueId {
  char internal[128];
};
enum ncclResult_t { ncclSuccess = 0, ncclInvalidArgument = 4, ncclInvalidUsage = 5 };
enum ncclDataType_t { ncclInt8 = 0 };

ncclResult_t ncclGetUniqueId(ncclUniqueId* id);
ncclResult_t ncclCommInitRank(ncclComm_t* all, int size, ncclUniqueId id, int rank);
ncclResult_t ncclCommGetAsyncError(ncclComm_t all, ncclResult_t* result);
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int to, ncclComm_t all,
                      cudaStream_t stream);
ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int from, ncclComm_t all,
                      cudaStream_t stream);
const char* ncclGetErrorString(ncclResult_t result);
}
