// Strict reading and atomic writing of safetensors files.
#include "core/io/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/io/safetensors_header.h"
#include "core/io/system_call.h"

namespace skiff::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

// ---- The checksum ----

// crc32 of everything a reader hands on. Lengths go before contents, so that no two different files
// feed it the same bytes.
class Checksum {
 public:
  void add_bytes(const void* bytes, size_t count) {
    if (count > 0) crc_ = crc32_z(crc_, static_cast<const Bytef*>(bytes), count);
  }
  void add(const Metadata& metadata) {
    add_number(int64_t(metadata.size() - metadata.count(kCrcKey)));
    for (const auto& [key, value] : metadata) {
      if (key == kCrcKey) continue;
      add_text(key);
      add_text(value);
    }
  }
  void add(const Info& info) {  // all but the elements, which follow
    add_text(info.name);
    add_text(info.element->name);
    add_number(info.rank);
    for (int axis = 0; axis < info.rank; ++axis) add_number(info.sizes[size_t(axis)]);
    add_number(info.end() - info.begin());
  }
  std::string hex() const {
    char text[9];
    std::snprintf(text, sizeof text, "%08x", unsigned(crc_));
    return text;
  }

 private:
  void add_number(int64_t number) { add_bytes(&number, sizeof number); }
  void add_text(const std::string& text) {
    add_number(int64_t(text.size()));
    add_bytes(text.data(), text.size());
  }

  uLong crc_ = crc32_z(0, nullptr, 0);
};

// ---- Reading ----

// An open file. `path` has to outlive it.
class Input {
 public:
  explicit Input(const std::string& path) : path_(path) {
    // O_NONBLOCK: without it a pipe that nobody writes to would block here.
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    file_ = uninterrupted([&] { return ::open(path.c_str(), flags); });
    if (file_ < 0) refuse(path_, "cannot open: ", system_message(errno));
    struct stat status;
    if (::fstat(file_, &status) != 0) {
      const int error = errno;
      ::close(file_);
      refuse(path_, "cannot be examined: ", system_message(error));
    }
    if (!S_ISREG(status.st_mode)) {
      ::close(file_);
      refuse(path_, "a regular file is needed, got ",
             S_ISDIR(status.st_mode) ? "a directory" : "something else");
    }
    size_ = int64_t(status.st_size);
  }
  ~Input() { ::close(file_); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  int64_t size() const { return size_; }

  void read(void* to, int64_t count) {
    char* at = static_cast<char*>(to);
    while (count > 0) {
      const ssize_t got = uninterrupted([&] { return ::read(file_, at, size_t(count)); });
      if (got < 0) refuse(path_, "cannot read: ", system_message(errno));
      if (got == 0) refuse(path_, "the file must keep its size while it is read, got its end");
      at += got;
      count -= got;
    }
  }

 private:
  const std::string& path_;
  int file_ = -1;
  int64_t size_ = 0;
};

// Reads and checks all before the data. Names, layout and metadata can be relied on afterwards.
Header read_header(const std::string& path, Input& input) {
  if (input.size() < int64_t(kLengthBytes))
    refuse(path, "a file has at least ", kLengthBytes, " bytes, got ", input.size());
  uint64_t length = 0;
  input.read(&length, kLengthBytes);
  if (length > kMaxHeader)
    refuse(path, "the header must be at most ", kMaxHeader, " bytes, got ", length,
           " (at byte offset 0)");
  const int64_t data_bytes = input.size() - int64_t(kLengthBytes) - int64_t(length);
  if (data_bytes < 0)
    refuse(path, "the header must end within the ", input.size(), " bytes of the file, got ",
           length, " bytes of header (at byte offset 0)");
  std::string text(length, '\0');
  input.read(text.data(), int64_t(length));
  return parse_header(path, text, data_bytes);
}

// Reads int64 elements as int32, a block at a time.
void read_int64(const std::string& path, Input& input, const Info& info, Tensor& tensor,
                Checksum& checksum) {
  std::array<int64_t, 4096> block;
  int32_t* to = tensor.data<int32_t>();
  for (int64_t first = 0, n = tensor.size(); first < n; first += int64_t(block.size())) {
    const int64_t count = std::min(n - first, int64_t(block.size()));
    input.read(block.data(), count * 8);
    checksum.add_bytes(block.data(), size_t(count) * 8);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t value = block[size_t(i)];
      if (value != int32_t(value))
        refuse(path, "I64 elements must fit into int32, got ", value, " at element ", first + i,
               in_tensor(info.name));
      to[first + i] = int32_t(value);
    }
  }
}

}  // namespace

const Tensor* File::find(const std::string& name) const {
  for (const Entry& entry : tensors)
    if (entry.name == name) return &entry.tensor;
  return nullptr;
}

const Tensor& File::at(const std::string& name) const {
  const Tensor* tensor = find(name);
  if (!tensor)
    refuse(path, "a tensor ", printable(name), " is needed, got ", tensors.size(),
           " other tensors");
  return *tensor;
}

File read(const std::string& path) {
  Input input(path);
  Header header = read_header(path, input);
  File file;
  file.path = path;
  file.tensors.reserve(header.tensors.size());

  Checksum checksum;
  checksum.add(header.metadata);
  for (Info& info : header.tensors) {
    checksum.add(info);
    Tensor tensor(info.shape(), info.element->dtype);
    if (info.element->bytes != bytes_of(info.element->dtype)) {
      read_int64(path, input, info, tensor, checksum);
    } else {
      input.read(tensor.raw(), tensor.bytes());
      checksum.add_bytes(tensor.raw(), size_t(tensor.bytes()));
    }
    file.tensors.push_back({std::move(info.name), std::move(tensor)});
  }

  file.metadata = std::move(header.metadata);
  if (const auto stored = file.metadata.find(kCrcKey); stored != file.metadata.end()) {
    if (stored->second != checksum.hex())
      refuse(path, "the contents must have the checksum ", printable(stored->second), ", got ",
             printable(checksum.hex()));
    file.has_checksum = true;
    file.metadata.erase(stored);
    file.metadata.erase(kMarkKey);
  }
  return file;
}

// ---- Writing ----

namespace {

// The header of a file of these tensors, without the checksum.
Header describe(const std::string& path, const std::vector<Entry>& tensors,
                const Metadata& metadata) {
  const std::string file = path + ": safetensors: ";
  Header header;
  for (const char* key : {kCrcKey, kMarkKey})
    check(!metadata.count(key), file, "the metadata ", key, " is added by write, got it given");
  check(tensors.size() + metadata.size() + 2 <= kMaxEntries, file, "at most ", kMaxEntries,
        " tensors and metadata, got ", tensors.size(), " and ", metadata.size());
  header.metadata = metadata;
  header.metadata[kMarkKey] = kMarkValue;

  int64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    check(name != kMetadataKey, file, "a tensor cannot have the name ", kMetadataKey);
    check(bool(tensor), file, "tensors must not be empty, got one without storage",
          in_tensor(name));
    Info info;
    info.name = name;
    for (const Element& element : kElements)
      if (element.dtype == tensor.dtype() && element.bytes == bytes_of(element.dtype))
        info.element = &element;
    check(info.element != nullptr, file, "the format has float32, float64, complex64 and int32, ",
          "got ", tensor, in_tensor(name));
    info.rank = tensor.rank();
    std::copy(tensor.shape().begin(), tensor.shape().end(), info.sizes.begin());
    info.offsets = {end, end + tensor.bytes()};
    end = info.end();
    header.tensors.push_back(std::move(info));
  }
  check_names(path, header.tensors);
  return header;
}

}  // namespace

void write(const std::string& path, const std::vector<Entry>& tensors, const Metadata& metadata,
           const FileCalls& calls) {
  Header header = describe(path, tensors, metadata);
  std::vector<Tensor> host;
  for (const Entry& entry : tensors) host.push_back(entry.tensor.to(Device::CPU));

  Checksum checksum;
  checksum.add(header.metadata);
  for (size_t i = 0; i < host.size(); ++i) {
    checksum.add(header.tensors[i]);
    checksum.add_bytes(std::as_const(host[i]).raw(), size_t(host[i].bytes()));
  }
  header.metadata[kCrcKey] = checksum.hex();
  const std::string text = header_text(path, header);
  const uint64_t length = text.size();

  AtomicFile file(path, calls);
  file.write({reinterpret_cast<const char*>(&length), kLengthBytes});
  file.write(text);
  for (const Tensor& tensor : host)
    file.write({static_cast<const char*>(tensor.raw()), size_t(tensor.bytes())});
  file.publish();
}

void check_metadata(const std::string& path, const std::map<std::string, std::string>& metadata) {
  header_text(path, {{}, metadata});
}

}  // namespace skiff::safetensors
