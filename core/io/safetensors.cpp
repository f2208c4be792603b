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
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/io/system_call.h"

namespace skiff::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

using Metadata = std::map<std::string, std::string>;

constexpr size_t kLengthBytes = 8;        // the length of the header, before the header
constexpr size_t kMaxHeader = 100000000;  // bytes; as in the reference implementation
constexpr size_t kMaxEntries = 1 << 16;   // tensors and metadata; bounds the memory for a header
constexpr size_t kMaxToken = 1 << 20;     // bytes of a string or number, which the lexer copies
constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kCrcKey = "skiff.crc32";
// Says that kCrcKey has to be present. Without it a flipped bit in kCrcKey would make the file look
// like one from elsewhere, which has no checksum.
constexpr const char* kMarkKey = "skiff.checksum";
constexpr const char* kMarkValue = "crc32";

struct Element {
  const char* name;  // in the file
  int64_t bytes;     // in the file
  DType dtype;       // in memory
};
constexpr Element kElements[] = {{"F32", 4, DType::Float32},
                                 {"F64", 8, DType::Float64},
                                 {"C64", 8, DType::Complex64},
                                 {"I32", 4, DType::Int32},
                                 {"I64", 8, DType::Int32}};

// One tensor of a header. A count of -1: the member is missing.
struct Info {
  std::string name;
  const Element* element = nullptr;
  std::array<int64_t, Shape::kMaxRank> sizes{};
  int rank = -1;
  std::array<int64_t, 2> offsets{};  // begin and end, from the end of the header
  int offset_count = -1;

  int64_t begin() const { return offsets[0]; }
  int64_t end() const { return offsets[1]; }
  Shape shape() const { return Shape(std::span(sizes).first(size_t(rank))); }
};

struct Header {
  std::vector<Info> tensors;
  Metadata metadata;
};

// Text of unknown origin for a message: short, printable, in quotes.
std::string printable(std::string_view text, size_t shown = 80) {
  std::string result = "'";
  for (const char c : text.substr(0, shown)) {
    if (c >= ' ' && c <= '~') {
      result += c;
    } else {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", unsigned(static_cast<unsigned char>(c)));
      result += escape;
    }
  }
  return result + (text.size() > shown ? "...'" : "'");
}

std::string in_tensor(const std::string& name) { return " (tensor " + printable(name) + ")"; }

template <class... Parts>
[[noreturn]] void refuse(const std::string& path, const Parts&... parts) {
  fail<DataError>(path, ": safetensors: ", parts...);
}

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

// ---- The header ----

// Hands the text of a header to put(), piece by piece. There is metadata: at least the checksum.
template <class Put>
void emit_header(const Header& header, const Put& put) {
  size_t length = 0;
  const auto text = [&](const std::string& piece) {
    length += piece.size();
    put(piece);
  };
  const auto quote = [&](const std::string& string) { text(nlohmann::json(string).dump()); };
  const auto number = [&](int64_t value) { text(std::to_string(value)); };

  text("{");
  quote(kMetadataKey);
  const char* separator = ":{";
  for (const auto& [key, value] : header.metadata) {
    text(separator);
    quote(key);
    text(":");
    quote(value);
    separator = ",";
  }
  text("}");
  for (const Info& info : header.tensors) {
    text(",");
    quote(info.name);
    text(":{\"dtype\":");
    quote(info.element->name);
    text(",\"shape\":[");
    for (int axis = 0; axis < info.rank; ++axis) {
      if (axis > 0) text(",");
      number(info.sizes[size_t(axis)]);
    }
    text("],\"data_offsets\":[");
    number(info.begin());
    text(",");
    number(info.end());
    text("]}");
  }
  text("}");
  text(std::string((8 - length % 8) % 8, ' '));
}

// Receives the events of the JSON parser. Only what the format names may come, once, in its place.
class HeaderParser : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderParser(const std::string& path, size_t length) : path_(path), length_(length) {}

  Header header;

  bool null() override { wrong("null"); }
  bool boolean(bool value) override { wrong(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { wrong(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { wrong(printable(text)); }
  bool binary(binary_t&) override { wrong("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    const bool in_array = place_ == Place::Sizes || place_ == Place::Offsets;
    if (!in_array || value > uint64_t(std::numeric_limits<int64_t>::max()))
      wrong(std::to_string(value));
    Info& info = header.tensors.back();
    if (place_ == Place::Sizes) {
      if (info.rank == Shape::kMaxRank)
        refuse(path_, "shape must have at most ", Shape::kMaxRank, " sizes, got more", where());
      info.sizes[size_t(info.rank++)] = int64_t(value);
    } else {
      if (info.offset_count == 2)
        refuse(path_, "data_offsets must be two offsets, got more", where());
      info.offsets[size_t(info.offset_count++)] = int64_t(value);
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::InMetadata) {
      header.metadata.emplace(key_, value);
    } else if (place_ == Place::InTensor && member_ == "dtype") {
      Info& info = header.tensors.back();
      for (const Element& element : kElements)
        if (value == element.name) info.element = &element;
      if (!info.element)
        refuse(path_, "dtype must be F32, F64, C64, I32 or I64, got ", printable(value), where());
    } else {
      wrong("the string " + printable(value));
    }
    return true;
  }

  bool start_object(size_t) override {
    if (place_ == Place::Start) {
      place_ = Place::Top;
    } else if (place_ != Place::Top) {
      wrong("an object");
    } else if (key_ == kMetadataKey) {
      if (has_metadata_) refuse(path_, "__metadata__ must be given once, got it twice");
      has_metadata_ = true;
      place_ = Place::InMetadata;
    } else {
      count_entry();
      header.tensors.emplace_back().name = key_;
      place_ = Place::InTensor;
    }
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::InTensor) {
      const Info& info = header.tensors.back();
      member_ = value;
      bool repeated = false;
      if (member_ == "dtype") {
        repeated = info.element != nullptr;
      } else if (member_ == "shape") {
        repeated = info.rank >= 0;
      } else if (member_ == "data_offsets") {
        repeated = info.offset_count >= 0;
      } else {
        refuse(path_, "a tensor has dtype, shape and data_offsets, got the member ",
               printable(member_), where());
      }
      if (repeated) refuse(path_, member_, " must be given once, got it twice", where());
      return true;
    }
    key_ = value;
    if (place_ == Place::InMetadata) {
      count_entry();
      if (header.metadata.count(key_))
        refuse(path_, "keys of __metadata__ must differ, got ", printable(key_), " twice");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::InTensor) {
      const Info& info = header.tensors.back();
      const char* missing = !info.element            ? "dtype"
                            : info.rank < 0          ? "shape"
                            : info.offset_count != 2 ? "data_offsets"
                                                     : nullptr;
      if (missing)
        refuse(path_, "a tensor has dtype, shape and data_offsets, got no ", missing, where());
    }
    place_ = place_ == Place::Top ? Place::Start : Place::Top;
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::InTensor && member_ == "shape") {
      header.tensors.back().rank = 0;
      place_ = Place::Sizes;
    } else if (place_ == Place::InTensor && member_ == "data_offsets") {
      header.tensors.back().offset_count = 0;
      place_ = Place::Offsets;
    } else {
      wrong("an array");
    }
    return true;
  }

  bool end_array() override {
    if (const int count = header.tensors.back().offset_count; place_ == Place::Offsets && count < 2)
      refuse(path_, "data_offsets must be two offsets, got ", count, where());
    place_ = Place::InTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    // what() is "[json.exception...] parse error at line 1, column 9: syntax error while ..."
    const std::string_view message = error.what();
    size_t cut = message.find(": ");
    if (cut == message.npos) cut = message.find("] ");  // a number that overflows
    const size_t offset = kLengthBytes + std::min(position > 0 ? position - 1 : 0, length_);
    refuse(path_, "the header must be valid UTF-8 JSON, got ",
           printable(message.substr(cut + 2), 160), " (at byte offset ", offset, ")");
  }

 private:
  enum class Place { Start, Top, InMetadata, InTensor, Sizes, Offsets };

  std::string requirement() const {
    const std::string integers = " must be integers from 0 to 9223372036854775807";
    switch (place_) {
      case Place::Start:
        return "the header must be an object";
      case Place::Top:
        return key_ == kMetadataKey ? "__metadata__ must be an object"
                                    : "the description of a tensor must be an object";
      case Place::InMetadata:
        return "values of __metadata__ must be strings";
      case Place::InTensor:
        return member_ + (member_ == "dtype" ? " must be a string" : " must be an array");
      case Place::Sizes:
        return "sizes of a shape" + integers;
      case Place::Offsets:
        return "data_offsets" + integers;
    }
    return "?";
  }
  std::string where() const {
    if (place_ == Place::InMetadata) return " (key " + printable(key_) + ")";
    return key_ == kMetadataKey ? "" : in_tensor(key_);
  }
  [[noreturn]] void wrong(const std::string& got) const {
    refuse(path_, requirement(), ", got ", got, where());
  }
  void count_entry() {
    if (++entries_ > kMaxEntries)
      refuse(path_, "a file has at most ", kMaxEntries, " tensors and metadata, got more");
  }

  const std::string& path_;
  size_t length_;
  Place place_ = Place::Start;
  std::string key_, member_;  // latest key of the header or of __metadata__, and of a tensor
  bool has_metadata_ = false;
  size_t entries_ = 0;
};

// What the parser would let pass: the lexer takes a zero byte for the end of its input, and copies
// a string several times.
void check_tokens(const std::string& path, const std::string& text) {
  size_t token = 0;  // where the token begins that holds byte i
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == 0)
      refuse(path, "the header must be JSON, got a zero byte (at byte offset ", kLengthBytes + i,
             ")");
    if (in_string ? c == '"' : std::strchr("{}[],:\" \t\r\n", c) != nullptr) {
      in_string = !in_string && c == '"';
      token = i;
    } else if (in_string && c == '\\') {
      ++i;
    }
    if (i - token > kMaxToken)
      refuse(path, "strings and numbers of the header must be at most ", kMaxToken,
             " bytes, got more (at byte offset ", kLengthBytes + token, ")");
  }
}

// After parsing, because a set of names would take the memory of the names again.
void check_names(const std::string& path, const std::vector<Info>& tensors) {
  std::vector<const std::string*> names;
  for (const Info& info : tensors) names.push_back(&info.name);
  std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
  const auto twice =
      std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
  if (twice != names.end())
    refuse(path, "names of tensors must differ, got ", printable(**twice), " twice");
}

// Sorts the tensors by their bytes, which must be the bytes of the file: each of them once.
void check_layout(const std::string& path, std::vector<Info>& tensors, int64_t data_bytes) {
  for (const Info& info : tensors) {
    const auto refuse_offsets = [&](const auto&... requirement) {
      refuse(path, requirement..., ", got data_offsets [", info.begin(), ", ", info.end(), "]",
             in_tensor(info.name));
    };
    // The bound that Shape needs: elements of 16 bytes, the largest, and an axis of size 0 as one.
    int64_t total = 16;
    bool empty = false;
    for (int axis = 0; axis < info.rank; ++axis) {
      const int64_t size = info.sizes[size_t(axis)];
      empty = empty || size == 0;
      if (__builtin_mul_overflow(total, std::max<int64_t>(size, 1), &total))
        refuse(path, "shape must not overflow, got size ", size, " on axis ", axis,
               in_tensor(info.name));
    }
    const int64_t bytes = empty ? 0 : total / 16 * info.element->bytes;
    if (info.begin() > info.end()) refuse_offsets("data must not end before it begins");
    if (info.end() > data_bytes)
      refuse_offsets("data must lie within the ", data_bytes, " bytes after the header");
    if (info.end() - info.begin() != bytes)
      refuse_offsets(info.element->name, " ", info.shape(), " needs ", bytes, " bytes");
  }
  // Stable, and an empty tensor before the one that begins at the same byte.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const Info& a, const Info& b) { return a.offsets < b.offsets; });
  int64_t covered = 0;
  for (const Info& info : tensors) {
    if (info.begin() != covered)
      refuse(path, "tensors must follow each other without ",
             info.begin() > covered ? "holes" : "overlap", ", got offset ", info.begin(),
             " after the end ", covered, in_tensor(info.name));
    covered = info.end();
  }
  if (covered != data_bytes)
    refuse(path, "the last tensor must end with the file, got ", data_bytes - covered,
           " trailing bytes");
}

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
    const bool known = ::fstat(file_, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
      ::close(file_);
      refuse(path_, "a regular file is needed, got ",
             known && S_ISDIR(status.st_mode) ? "a directory" : "something else");
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
  if (text.empty() || text[0] != '{')
    refuse(path, "the header must begin with '{', got ", printable(text.substr(0, 1)),
           " (at byte offset ", kLengthBytes, ")");

  check_tokens(path, text);
  HeaderParser parser(path, text.size());
  nlohmann::json::sax_parse(text, &parser);
  Header& header = parser.header;
  check_names(path, header.tensors);
  check_layout(path, header.tensors, data_bytes);

  if (header.metadata.count(kMarkKey) && !header.metadata.count(kCrcKey))
    refuse(path, "__metadata__ with ", kMarkKey, " must have the checksum ", kCrcKey, ", got none");
  if (header.metadata.count(kCrcKey)) {
    // Two texts can mean the same (\u001f and \u001F), and the checksum covers the meaning.
    std::string_view rest = text;
    emit_header(header, [&](const std::string& piece) {
      if (!rest.starts_with(piece))
        refuse(path, "a header with a checksum must be spelled as it is written, got ",
               printable(rest.substr(0, piece.size())), " (at byte offset ",
               kLengthBytes + text.size() - rest.size(), ")");
      rest.remove_prefix(piece.size());
    });
    if (!rest.empty())
      refuse(path, "a header with a checksum must be spelled as it is written, got ", rest.size(),
             " bytes more");
  }
  return std::move(header);
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

// The text of a header, after the checks that read() would make.
std::string header_text(const std::string& path, const Header& header) {
  std::string text;
  try {
    emit_header(header, [&](const std::string& piece) { text += piece; });
  } catch (const nlohmann::json::exception&) {
    fail(path, ": safetensors: names and metadata must be valid UTF-8, got other bytes");
  }
  check(text.size() <= kMaxHeader, path, ": safetensors: the header must be at most ", kMaxHeader,
        " bytes, got ", text.size());
  check_tokens(path, text);
  return text;
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

}  // namespace skiff::safetensors
