// safetensors files, the one checkpoint format: 8 bytes with the length of a JSON header, the
// header (dtype, shape and byte range of every tensor), the bytes of the tensors. Format:
// https://github.com/huggingface/safetensors#format
//
// read() trusts nothing: every rule of the format is checked against the size of the file before a
// tensor is allocated. write() replaces a file in one step, so that the old or the new one is whole
// at any time, and adds a checksum. read() verifies it where it is present, so that every single
// flipped bit and every truncation of a file from write() is found.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/io/atomic_file.h"
#include "core/tensor.h"

namespace skiff::safetensors {

struct Entry {
  std::string name;
  Tensor tensor;
};

struct File {
  std::vector<Entry> tensors;                         // in the order of their bytes
  std::map<std::string, std::string> metadata;        // "__metadata__" without the checksum
  const Tensor* find(const std::string& name) const;  // nullptr if absent
  const Tensor& at(const std::string& name) const;    // DataError if absent
  std::string path;                                   // for messages
  bool has_checksum = false;                          // present, and so verified
};

// Dtypes F32, F64, C64 and I32, and I64 as int32 where every value fits. Throws DataError.
File read(const std::string& path);

// Writes float32, float64, complex64 and int32 tensors of any device, in the order given; equal
// arguments make equal bytes. Throws Error for what the format cannot hold, and IoError when the
// system refuses: the file that was there is then unchanged, unless the message says otherwise.
void write(const std::string& path, const std::vector<Entry>& tensors,
           const std::map<std::string, std::string>& metadata = {},
           const FileCalls& calls = system_calls());

// Whether write() could put this into a file: throws the Error that it would throw.
void check_metadata(const std::string& path, const std::map<std::string, std::string>& metadata);

}  // namespace skiff::safetensors
