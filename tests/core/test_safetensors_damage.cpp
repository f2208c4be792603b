// safetensors: files that are malformed, cut short or damaged are refused with the reason.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "tests/support/folder.h"
#include "tests/support/safetensors_files.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct Malformed {
  const char* what;
  std::string bytes;
  std::string message;  // a part of it
};

// A header with one float32 tensor x of shape [2], one part of it replaced.
std::string tensor_with(const std::string& part, const std::string& replacement) {
  std::string header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  const size_t at = header.find(part);
  REQUIRE(at != header.npos);
  return file_of(header.replace(at, part.size(), replacement), std::string(8, '\1'));
}

// Float32 tensors a, b, ... of these byte ranges, and that many bytes of data.
std::string tensors_at(const std::vector<std::array<int, 2>>& ranges, size_t data) {
  std::string header;
  char name = 'a';
  for (const auto& [begin, end] : ranges)
    header += std::string(header.empty() ? "{" : ",") + "\"" + name++ +
              "\":{\"dtype\":\"F32\",\"shape\":[" + std::to_string((end - begin) / 4) +
              "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
  return file_of(header + "}", std::string(data, '\1'));
}

std::string metadata_of(const std::string& value) {
  return file_of("{\"__metadata__\":" + value + "}");
}

std::string empty_tensors(int count) {
  std::string header = "{";
  for (int i = 0; i < count; ++i)
    header += (i > 0 ? ",\"" : "\"") + std::to_string(i) +
              "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  return file_of(header + "}");
}

std::vector<Malformed> malformed_files() {
  const std::string zero(1, '\0');
  const std::string once = "\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  const std::string too_large = "9223372036854775808", huge = "18446744073709551616";
  return {
      // the length of the header
      {"no bytes", "", "at least 8 bytes, got 0"},
      {"seven bytes", std::string(7, '\0'), "at least 8 bytes, got 7"},
      {"an empty header", with_length(0, ""), "must begin with '{', got ''"},
      {"an empty header before data", with_length(0, "data"), "must begin with '{', got ''"},
      {"a header past the end", with_length(3, "{}"), "must end within the 10 bytes of the file"},
      {"a header far past the end", with_length(99999999, "{}"), "got 99999999 bytes of header"},
      {"a header above the limit", with_length(100000001, "{}"), "at most 100000000 bytes"},
      {"a length of 2^63", with_length(uint64_t(1) << 63, "{}"), "got 9223372036854775808"},
      {"a length of 2^64 - 1", with_length(~uint64_t(0), "{}"), "got 18446744073709551615"},
      {"a length of 2^64 - 8", with_length(~uint64_t(7), "{}"), "got 18446744073709551608"},
      {"a header that ends early", with_length(1, "{}"), "(at byte offset 9)"},
      // the text of the header
      {"a list", file_of("[]"), "must begin with '{', got '['"},
      {"a blank before the brace", file_of(" {}"), "must begin with '{', got ' '"},
      {"a byte order mark", file_of("\xef\xbb\xbf{}"), "must begin with '{', got '\\xef'"},
      {"zip", "PK\3\4" + std::string(30, '\0'), "got 67324752 bytes of header"},
      {"an open object", file_of("{"), "must be valid UTF-8 JSON"},
      {"two objects", file_of("{}{}"), "must be valid UTF-8 JSON"},
      {"text after the object", file_of("{}x"), "(at byte offset 10)"},
      {"zero bytes as padding", file_of("{}" + zero), "got a zero byte (at byte offset 10)"},
      {"a zero byte in a name", file_of("{\"a" + zero + "\":1}"), "got a zero byte"},
      {"a zero byte after a backslash", file_of("{\"\\" + zero + "\":1}"), "valid UTF-8 JSON"},
      {"a comma at the end", file_of("{" + once + ",}"), "must be valid UTF-8 JSON"},
      {"no comma", file_of("{" + once + once + "}"), "must be valid UTF-8 JSON"},
      {"single quotes", file_of("{'x':{}}"), "must be valid UTF-8 JSON"},
      {"a name without quotes", file_of("{x:{}}"), "must be valid UTF-8 JSON"},
      {"a comment", file_of("{/**/}"), "must be valid UTF-8 JSON"},
      {"an open string", file_of("{\"x"), "must be valid UTF-8 JSON"},
      {"a line break in a name", file_of("{\"\n\":{}}"), "must be valid UTF-8 JSON"},
      {"an unknown escape", file_of("{\"\\x41\":{}}"), "must be valid UTF-8 JSON"},
      {"half a surrogate pair", file_of("{\"\\ud800\":{}}"), "must be valid UTF-8 JSON"},
      {"a stray UTF-8 byte", file_of("{\"\xbf\":{}}"), "must be valid UTF-8 JSON"},
      {"overlong UTF-8", file_of("{\"\xc0\xaf\":{}}"), "must be valid UTF-8 JSON"},
      {"UTF-8 cut short", file_of("{\"\xe2\x82\":{}}"), "must be valid UTF-8 JSON"},
      {"an encoded surrogate", file_of("{\"\xed\xa0\x80\":{}}"), "must be valid UTF-8 JSON"},
      {"UTF-8 past U+10FFFF", file_of("{\"\xf4\x90\x80\x80\":{}}"), "must be valid UTF-8 JSON"},
      {"Latin-1",
       file_of("{\"gr\xf6\xdf"
               "e\":{}}"),
       "must be valid UTF-8 JSON"},
      {"deep lists", file_of("{\"x\":" + std::string(100000, '[')), "got an array (tensor 'x')"},
      {"deep objects", tensor_with("[2]", "{\"a\":{\"a\":{}}}"), "shape must be an array"},
      {"a name of 17 MB", file_of("{\"" + std::string(17 << 20, 'n') + "\":{}}"),
       "at most 16777216 bytes, got more (at byte offset 9)"},
      {"a number of 17 MB", tensor_with("2", std::string(17 << 20, '1')), "at most 16777216 bytes"},
      {"too many tensors", empty_tensors(65537), "at most 65536 tensors"},
      // names
      {"one name twice", file_of("{" + once + "," + once + "}"), "must differ, got 'x' twice"},
      {"one name in two spellings", file_of("{" + once + ",\"\\u0078" + once.substr(2) + "}"),
       "must differ, got 'x' twice"},
      {"a hostile name", file_of("{\"\\u001b[2J\\n\":0}"), "(tensor '\\x1b[2J\\x0a')"},
      // metadata
      {"metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}"), "got it twice"},
      {"a metadata key twice", metadata_of("{\"k\":\"1\",\"k\":\"1\"}"), "got 'k' twice"},
      {"metadata that is null", metadata_of("null"), "__metadata__ must be an object, got null"},
      {"metadata that is a string", metadata_of("\"s\""), "must be an object, got the string 's'"},
      {"metadata that is a list", metadata_of("[]"), "must be an object, got an array"},
      {"metadata with a number", metadata_of("{\"k\":1}"), "must be strings, got 1 (key 'k')"},
      {"metadata with a fraction", metadata_of("{\"k\":1.5}"), "must be strings, got '1.5'"},
      {"metadata with null", metadata_of("{\"k\":null}"), "must be strings, got null (key 'k')"},
      {"metadata with true", metadata_of("{\"k\":true}"), "must be strings, got true (key 'k')"},
      {"metadata with an object", metadata_of("{\"k\":{}}"), "must be strings, got an object"},
      {"metadata with a list", metadata_of("{\"k\":[\"1\"]}"), "must be strings, got an array"},
      // members of a tensor
      {"a tensor that is a number", file_of("{\"x\":1}"), "must be an object, got 1 (tensor 'x')"},
      {"a tensor that is null", file_of("{\"x\":null}"), "must be an object, got null"},
      {"a tensor that is a list", file_of("{\"x\":[]}"), "must be an object, got an array"},
      {"a tensor that is a string", file_of("{\"x\":\"F32\"}"), "got the string 'F32'"},
      {"no members", file_of("{\"x\":{}}"), "got no dtype (tensor 'x')"},
      {"no dtype", tensor_with("\"dtype\":\"F32\",", ""), "got no dtype (tensor 'x')"},
      {"no shape", tensor_with("\"shape\":[2],", ""), "got no shape (tensor 'x')"},
      {"no data_offsets", tensor_with(",\"data_offsets\":[0,8]", ""), "got no data_offsets"},
      {"another member", tensor_with("\"dtype\"", "\"a\":1,\"dtype\""), "got the member 'a'"},
      {"DTYPE", tensor_with("dtype", "DTYPE"), "got the member 'DTYPE' (tensor 'x')"},
      {"two dtypes", tensor_with("\"shape\"", "\"dtype\":\"F32\",\"shape\""),
       "dtype must be given once, got it twice (tensor 'x')"},
      {"two shapes", tensor_with("\"shape\"", "\"shape\":[],\"shape\""),
       "shape must be given once"},
      {"two data_offsets", tensor_with("\"data", "\"data_offsets\":[0,8],\"data"),
       "data_offsets must be given once"},
      // dtype
      {"float16", tensor_with("F32", "F16"), "dtype must be F32, F64, C64, I32 or I64, got 'F16'"},
      {"bfloat16", tensor_with("F32", "BF16"), "got 'BF16' (tensor 'x')"},
      {"bool", tensor_with("F32", "BOOL"), "got 'BOOL' (tensor 'x')"},
      {"complex128", tensor_with("F32", "C128"), "got 'C128' (tensor 'x')"},
      {"f32", tensor_with("F32", "f32"), "got 'f32' (tensor 'x')"},
      {"an empty dtype", tensor_with("F32", ""), "got '' (tensor 'x')"},
      {"dtype null", tensor_with("\"F32\"", "null"), "dtype must be a string, got null"},
      {"dtype 1", tensor_with("\"F32\"", "1"), "dtype must be a string, got 1 (tensor 'x')"},
      {"dtype in a list", tensor_with("\"F32\"", "[\"F32\"]"), "dtype must be a string"},
      // shape
      {"shape 2", tensor_with("[2]", "2"), "shape must be an array, got 2 (tensor 'x')"},
      {"shape null", tensor_with("[2]", "null"), "shape must be an array, got null"},
      {"shape '2'", tensor_with("[2]", "\"2\""), "shape must be an array, got the string '2'"},
      {"shape [null]", tensor_with("[2]", "[null]"), "sizes of a shape must be integers from 0"},
      {"shape [true]", tensor_with("[2]", "[true]"), "got true (tensor 'x')"},
      {"shape [false]", tensor_with("[2]", "[false]"), "got false (tensor 'x')"},
      {"shape ['2']", tensor_with("[2]", "[\"2\"]"), "got the string '2' (tensor 'x')"},
      {"shape [[2]]", tensor_with("[2]", "[[2]]"), "sizes of a shape must be integers"},
      {"shape [{}]", tensor_with("[2]", "[{}]"), "got an object (tensor 'x')"},
      {"shape [2.0]", tensor_with("[2]", "[2.0]"), "got '2.0' (tensor 'x')"},
      {"shape [2e0]", tensor_with("[2]", "[2e0]"), "got '2e0' (tensor 'x')"},
      {"shape [-2]", tensor_with("[2]", "[-2]"), "got -2 (tensor 'x')"},
      {"shape [-0]", tensor_with("[2]", "[-0]"), "sizes of a shape must be integers"},
      {"shape [02]", tensor_with("[2]", "[02]"), "must be valid UTF-8 JSON"},
      {"shape [+2]", tensor_with("[2]", "[+2]"), "must be valid UTF-8 JSON"},
      {"shape [NaN]", tensor_with("[2]", "[NaN]"), "must be valid UTF-8 JSON"},
      {"shape [1e999]", tensor_with("[2]", "[1e999]"), "number overflow parsing '1e999'"},
      {"shape [2^63]", tensor_with("[2]", "[" + too_large + "]"), "got " + too_large},
      {"shape [2^64]", tensor_with("[2]", "[" + huge + "]"), "got '" + huge + "'"},
      {"six sizes", tensor_with("[2]", "[1,1,1,1,1,2]"), "at most 5 sizes, got more"},
      {"a product of 2^64", tensor_with("[2]", "[4294967296,4294967296]"),
       "shape must not overflow, got size 4294967296 on axis 1 (tensor 'x')"},
      {"a product of 2^64 + 2", tensor_with("[2]", "[2,4611686018427387905,2]"), "overflow"},
      {"a product that overflows before a zero", tensor_with("[2]", "[9223372036854775807,2,0]"),
       "shape must not overflow"},
      {"no elements, but 2^62 rows of none",
       file_of("{\"x\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904],"
               "\"data_offsets\":[0,0]}}"),
       "shape must not overflow, got size 4611686018427387904 on axis 1 (tensor 'x')"},
      {"4 x 2^62 bytes", tensor_with("[2]", "[4611686018427387906]"), "shape must not overflow"},
      {"a size without bytes", tensor_with("[2]", "[1000000000000]"),
       "needs 4000000000000 bytes, got data_offsets [0, 8]"},
      {"more elements than bytes", tensor_with("[2]", "[3]"), "F32 (3) needs 12 bytes"},
      {"fewer elements than bytes", tensor_with("[2]", "[1]"), "F32 (1) needs 4 bytes"},
      {"no elements but bytes", tensor_with("[2]", "[0]"), "F32 (0) needs 0 bytes"},
      {"a wider dtype", tensor_with("F32", "F64"), "F64 (2) needs 16 bytes"},
      {"a scalar of two", tensor_with("[2]", "[]"), "F32 () needs 4 bytes"},
      // data_offsets
      {"data_offsets 0", tensor_with("[0,8]", "0"), "data_offsets must be an array, got 0"},
      {"no offsets", tensor_with("[0,8]", "[]"), "data_offsets must be two offsets, got 0"},
      {"one offset", tensor_with("[0,8]", "[8]"), "data_offsets must be two offsets, got 1"},
      {"three offsets", tensor_with("[0,8]", "[0,8,8]"), "must be two offsets, got more"},
      {"a negative offset", tensor_with("[0,8]", "[-8,0]"), "data_offsets must be integers from 0"},
      {"a fraction", tensor_with("[0,8]", "[0,8.0]"), "got '8.0' (tensor 'x')"},
      {"an offset of 2^63", tensor_with("[0,8]", "[0," + too_large + "]"), "got " + too_large},
      {"offsets that wrap", tensor_with("[0,8]", "[18446744073709551608,0]"), "must be integers"},
      {"an offset null", tensor_with("[0,8]", "[null,8]"), "must be integers from 0"},
      {"an end before the begin", tensor_with("[0,8]", "[8,0]"), "must not end before it begins"},
      {"an end past the file", tensor_with("[0,8]", "[0,9]"), "must lie within the 8 bytes"},
      {"offsets far away", tensor_with("[0,8]", "[9223372036854775799,9223372036854775807]"),
       "must lie within the 8 bytes after the header"},
      // the layout
      {"data but no tensors", file_of("{}", "data"), "got 4 trailing bytes"},
      {"a trailing byte", tensors_at({{0, 8}}, 9), "got 1 trailing bytes"},
      {"a missing byte", tensors_at({{0, 8}}, 7), "must lie within the 7 bytes"},
      {"a hole at the front", tensors_at({{4, 8}}, 8), "without holes, got offset 4"},
      {"a hole in between", tensors_at({{0, 4}, {8, 12}}, 12), "after the end 4 (tensor 'b')"},
      {"an overlap", tensors_at({{0, 8}, {4, 12}}, 12), "without overlap, got offset 4"},
      {"one range twice", tensors_at({{0, 8}, {0, 8}}, 8), "without overlap, got offset 0"},
      {"a range within another", tensors_at({{0, 12}, {4, 8}}, 12), "without overlap"},
      {"an empty tensor in a range", tensors_at({{0, 8}, {4, 4}}, 8), "without overlap"},
      {"an empty tensor past the end", tensors_at({{0, 4}, {8, 8}}, 4), "must lie within"},
      // the checksum
      {"a wrong checksum",
       file_of("{\"__metadata__\":{\"skiff.crc32\":\"00000000\"}}" + std::string(5, ' ')),
       "the contents must have the checksum '00000000', got '"},
      {"a checksum that is none",
       file_of("{\"__metadata__\":{\"skiff.crc32\":\"none\"}}" + std::string(1, ' ')),
       "must have the checksum 'none'"},
      {"a checksum and a blank", metadata_of(" {\"skiff.crc32\":\"00000000\"}"), "must be spelled"},
      {"a checksum and no padding", metadata_of("{\"skiff.crc32\":\"00000000\"}"),
       "must be spelled"},
      {"a checksum and more padding",
       file_of("{\"__metadata__\":{\"skiff.crc32\":\"00000000\"}}" + std::string(13, ' ')),
       "as it is written, got 8 bytes more"},
      {"no checksum where one must be", metadata_of("{\"skiff.checksum\":\"crc32\"}"), "got none"},
  };
}

}  // namespace

TEST_CASE("safetensors: every malformed file is refused with its path and the reason") {
  const Folder folder;
  const std::string path = folder / "bad.safetensors";
  const std::vector<Malformed> files = malformed_files();
  CHECK(files.size() >= 60);
  for (const Malformed& file : files) {
    store(path, file.bytes);
    const std::string got = refusal(path);
    CAPTURE(std::string(file.what));
    CAPTURE(got);
    CHECK(got.starts_with(path + ": safetensors: "));
    CHECK(contains(got, file.message));
    CHECK(got.size() < path.size() + 500);
    for (const char c : got) CHECK_FALSE((c < ' ' || c > '~'));
  }
}

TEST_CASE("safetensors: what is not a file is refused") {
  const Folder folder;
  CHECK(contains(refusal(folder / "absent"), "cannot open: No such file or directory"));
  CHECK(contains(refusal(folder.path.string()), "a regular file is needed, got a directory"));
  CHECK(contains(refusal("/dev/zero"), "a regular file is needed, got something else"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(contains(refusal(folder / "pipe"), "a regular file is needed, got something else"));
}

TEST_CASE("safetensors: every truncation of a file is refused") {
  const Folder folder;
  for (const bool foreign : {false, true}) {
    std::string bytes;
    if (foreign) {
      bytes = tensors_at({{0, 8}, {8, 8}, {8, 40}}, 40);
    } else {
      safetensors::write(folder / "whole", checkpoint(), kMetadata);
      bytes = load(folder / "whole");
    }
    for (size_t length = 0; length < bytes.size(); ++length) {
      store(folder / "cut", bytes.substr(0, length));
      CAPTURE(length);
      CHECK(refusal(folder / "cut") != "");
    }
    store(folder / "cut", bytes);
    CHECK(refusal(folder / "cut") == "");
    store(folder / "cut", bytes + '\0');
    CHECK(contains(refusal(folder / "cut"), "got 1 trailing bytes"));
  }
}

TEST_CASE("safetensors: every single flipped bit of a written file is found") {
  const Folder folder;
  const std::string path = folder / "flipped";
  safetensors::write(path, checkpoint(), kMetadata);
  const std::string bytes = load(path);
  CHECK(bytes.size() > 1000);
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  int64_t missed = 0, unexplained = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      const char flipped = char(bytes[at] ^ (1 << bit));
      REQUIRE(::pwrite(file, &flipped, 1, off_t(at)) == 1);
      const std::string message = refusal(path);
      if (message.empty()) {
        ++missed;
        MESSAGE("missed: bit " << bit << " of byte " << at << ": " << bytes[at] << flipped);
      }
      if (!message.starts_with(path + ": safetensors: ")) ++unexplained;
    }
    REQUIRE(::pwrite(file, &bytes[at], 1, off_t(at)) == 1);
  }
  ::close(file);
  CHECK(missed == 0);
  CHECK(unexplained == 0);
  CHECK(refusal(path) == "");
}

TEST_CASE("safetensors: 10 kB, cut at every byte, every bit of the header, 10,000 of the data") {
  const Folder folder;
  const std::string path = folder / "x";
  std::vector<safetensors::Entry> tensors = checkpoint();
  tensors.push_back({"long", numbered({2000}, DType::Float32)});
  safetensors::write(path, tensors, kMetadata);
  const std::string bytes = load(path);
  CHECK(bytes.size() > 9000);
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  int64_t found = 0, flips = 0;
  const auto refused = [&] { return refusal(path).starts_with(path + ": safetensors: "); };
  const auto flip = [&](size_t at, int bit) {
    const char flipped = char(bytes[at] ^ (1 << bit));
    REQUIRE(::pwrite(file, &flipped, 1, off_t(at)) == 1);
    ++flips;
    found += refused();
    REQUIRE(::pwrite(file, &bytes[at], 1, off_t(at)) == 1);
  };
  const size_t header = 8 + bytes.find_last_of('}') - 7;  // its end, behind the length word
  for (size_t at = 0; at < header; ++at)
    for (int bit = 0; bit < 8; ++bit) flip(at, bit);
  uint32_t state = 1;
  for (int i = 0; i < 10000; ++i) {
    state = state * 1664525u + 1013904223u;
    flip(header + (state >> 11) % (bytes.size() - header), int(state >> 29));
  }
  CHECK(flips > 15000);
  CHECK(found == flips);
  CHECK(refusal(path) == "");
  found = 0;
  for (size_t length = bytes.size(); length-- > 0;) {
    REQUIRE(::ftruncate(file, off_t(length)) == 0);
    found += refused();
  }
  ::close(file);
  CHECK(found == int64_t(bytes.size()));
}

TEST_CASE("safetensors: a flipped bit of the data is named a checksum error") {
  const Folder folder;
  safetensors::write(folder / "x", {{"x", numbered({9}, DType::Float32)}});
  std::string bytes = load(folder / "x");
  bytes.back() = char(bytes.back() ^ 1);
  store(folder / "x", bytes);
  CHECK(contains(refusal(folder / "x"), "must have the checksum"));
}
