// safetensors: round trips, files from elsewhere, damaged files, and saves that fail.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <system_error>

#include "core/io/safetensors.h"
#include "tests/support/faults.h"

using namespace skiff;
using namespace skiff::testing;
using safetensors::Entry;
namespace fs = std::filesystem;

namespace {

// An empty folder, removed with everything in it.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "skiff_safetensors_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  int64_t files() const { return std::distance(fs::directory_iterator(path), {}); }
};

std::string load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

void store(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  REQUIRE(out.flush());
}

template <class T>
std::string bytes_of_values(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

std::string with_length(uint64_t length, const std::string& rest) {
  return bytes_of_values({length}) + rest;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  return with_length(header.size(), header + data);
}

// The message of the DataError that read() throws, "" if it throws none.
std::string refusal(const std::string& path) {
  try {
    safetensors::read(path);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), size_t(a.bytes())) == 0;
}

Tensor numbered(Shape shape, DType dtype) {
  Tensor x(shape, dtype);
  auto* bytes = static_cast<unsigned char*>(x.raw());
  for (int64_t i = 0; i < x.bytes(); ++i) bytes[i] = static_cast<unsigned char>(37 * i + 11);
  return x;
}

// About one and a half kB with everything that a file can hold.
const std::map<std::string, std::string> kMetadata = {
    {"", "an empty key"},
    {"config", "lr = 1e-3\n[model]\ttype = \"tno\" \\ \x1f\x0b\x7f"},
    {"empty", ""},
    {"gr\xc3\xb6\xc3\x9f", "\xe2\x82\xac \xf0\x9f\x9b\xb6"},
    {"skiff.step", "10"}};

std::vector<Entry> checkpoint() {
  return {{"weight", numbered({12, 12}, DType::Float32)},
          {"nothing", Tensor(Shape{10, 0, 8}, DType::Float64)},
          {"", numbered({2}, DType::Float64)},
          {"scalar", numbered({}, DType::Float32)},
          {"__metadata_^", numbered({1, 2}, DType::Complex64)},
          {"\"quoted\"/\x1a\n", numbered({2, 1, 2, 1, 3}, DType::Int32)},
          {"last", Tensor(Shape{0}, DType::Float32)}};
}

}  // namespace

// ---- Files that are right ----

TEST_CASE("safetensors: every dtype and rank survives a round trip") {
  const Folder folder;
  std::vector<Entry> tensors;
  for (const DType dtype : {DType::Float32, DType::Float64, DType::Complex64, DType::Int32})
    for (const Shape& shape : {Shape{}, Shape{7}, Shape{0}, Shape{2, 3}, Shape{3, 0, 2},
                               Shape{1, 2, 3, 4}, Shape{2, 1, 3, 1, 2}})
      tensors.push_back({std::to_string(tensors.size()), numbered(shape, dtype)});
  const std::string path = folder / "all.safetensors";
  safetensors::write(path, tensors, kMetadata);
  const safetensors::File file = safetensors::read(path);
  REQUIRE(file.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    CHECK(file.tensors[i].name == tensors[i].name);
    CHECK(same(file.tensors[i].tensor, tensors[i].tensor));
  }
  CHECK(file.metadata == kMetadata);
  CHECK(file.path == path);
  CHECK(file.has_checksum);
}

TEST_CASE("safetensors: a file of nothing and a large tensor survive a round trip") {
  const Folder folder;
  safetensors::write(folder / "none", {});
  CHECK(safetensors::read(folder / "none").tensors.empty());
  CHECK(safetensors::read(folder / "none").metadata.empty());
  const Tensor large = numbered({1000, 300}, DType::Float64);
  safetensors::write(folder / "large", {{"x", large}});
  CHECK(same(safetensors::read(folder / "large").at("x"), large));
}

TEST_CASE("safetensors: NaN payloads and negative zero keep their bits") {
  const Folder folder;
  const std::vector<double> values = {-0.0, std::numeric_limits<double>::quiet_NaN(),
                                      -std::numeric_limits<double>::infinity(),
                                      std::numeric_limits<double>::denorm_min()};
  const Tensor x = tensor_of(values, {4});
  safetensors::write(folder / "x", {{"x", x}});
  CHECK(same(safetensors::read(folder / "x").at("x"), x));
}

TEST_CASE("safetensors: find and at look a tensor up by name") {
  const Folder folder;
  safetensors::write(folder / "x", checkpoint());
  const safetensors::File file = safetensors::read(folder / "x");
  CHECK(file.find("scalar")->rank() == 0);
  CHECK(file.find("Scalar") == nullptr);
  CHECK(&file.at("weight") == file.find("weight"));
  CHECK_THROWS_WITH_AS(
      file.at("bias"),
      (file.path + ": safetensors: a tensor 'bias' is needed, got 7 other tensors").c_str(),
      DataError);
}

TEST_CASE("safetensors: a file written elsewhere is read byte by byte") {
  const Folder folder;
  // Members in any order, white space, escapes, data in another order than the header.
  const std::string header =
      "{ \"b\" : {\"shape\":[2],\"data_offsets\":[ 8, 16],\"dtype\":\"F32\"},\n"
      "\t\"\\u0061\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
      "\"__metadata__\":{\"format\":\"pt\"},"
      "\"e\":{\"dtype\":\"C64\",\"shape\":[0,4],\"data_offsets\":[8,8]},"
      "\"c\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[16,24]}}\n   ";
  const std::string data(
      "\xfe\xff\xff\xff\xff\xff\xff\xff"   // -2
      "\x00\x00\x80\x3f\x00\x00\x00\xc0"   // 1, -2
      "\x00\x00\x00\x3f\x00\x00\x40\x40",  // 0.5 + 3i
      24);
  store(folder / "x", file_of(header, data));
  const safetensors::File file = safetensors::read(folder / "x");
  REQUIRE(file.tensors.size() == 4);
  const std::vector<std::string> order = {"a", "e", "b", "c"};
  for (size_t i = 0; i < 4; ++i) CHECK(file.tensors[i].name == order[i]);
  CHECK(file.at("a").dtype() == DType::Int32);
  CHECK(file.at("a").rank() == 0);
  CHECK(to_vector(file.at("a")) == std::vector<double>{-2});
  CHECK(to_vector(file.at("b")) == std::vector<double>{1, -2});
  CHECK(to_vector(file.at("c")) == std::vector<double>{0.5, 3});
  CHECK(file.at("e").shape() == Shape{0, 4});
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK_FALSE(file.has_checksum);
}

TEST_CASE("safetensors: int64 elements become int32 where every one fits") {
  const Folder folder;
  const auto file = [](const std::string& count, const std::string& data) {
    return file_of("{\"x\":{\"dtype\":\"I64\",\"shape\":[" + count + "],\"data_offsets\":[0," +
                       std::to_string(data.size()) + "]}}",
                   data);
  };
  const int64_t least = std::numeric_limits<int32_t>::min();
  const int64_t most = std::numeric_limits<int32_t>::max();
  store(folder / "x", file("3", bytes_of_values<int64_t>({least, 0, most})));
  CHECK(to_vector(safetensors::read(folder / "x").at("x")) ==
        std::vector<double>{double(least), 0, double(most)});

  store(folder / "x", file("3", bytes_of_values<int64_t>({least, most + 1, 0})));
  CHECK(refusal(folder / "x") == folder / "x" +
                                     ": safetensors: I64 elements must fit into int32, got "
                                     "2147483648 at element 1 (tensor 'x')");
  // Past the first block of the conversion.
  std::string many;
  for (int64_t i = 0; i < 10000; ++i) many += bytes_of_values<int64_t>({i});
  store(folder / "x", file("10000", many));
  CHECK(to_vector(safetensors::read(folder / "x").at("x"))[9999] == 9999);
  many.replace(9000 * 8, 8, bytes_of_values<int64_t>({least - 1}));
  store(folder / "x", file("10000", many));
  CHECK(contains(refusal(folder / "x"), "got -2147483649 at element 9000"));
}

TEST_CASE("safetensors: the bytes of a written file are these") {
  const Folder folder;
  // The checksum was computed apart from this code, with Python's zlib.crc32.
  const std::string header =
      "{\"__metadata__\":{\"b\":\"2\",\"skiff.checksum\":\"crc32\",\"skiff.crc32\":\"b30474c5\"},"
      "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[8,12]}}  ";
  safetensors::write(folder / "x",
                     {{"x", tensor_of({1, -2}, {2}, DType::Float32)},
                      {"a", tensor_of(std::vector<int32_t>{7}, {})}},
                     {{"b", "2"}});
  const std::string data = bytes_of_values<float>({1, -2}) + bytes_of_values<int32_t>({7});
  CHECK(load(folder / "x") == file_of(header, data));
}

TEST_CASE("safetensors: equal arguments make equal bytes, and the data is aligned") {
  const Folder folder;
  for (int length = 0; length < 9; ++length) {
    const std::map<std::string, std::string> metadata = {{"k", std::string(size_t(length), 'v')}};
    safetensors::write(folder / "a", checkpoint(), metadata);
    safetensors::write(folder / "b", checkpoint(), metadata);
    const std::string bytes = load(folder / "a");
    CHECK(bytes == load(folder / "b"));
    CHECK(bytes[0] % 8 == 0);
  }
}

TEST_CASE("safetensors: every reference file is read") {
  const fs::path folder = "tests/reference";
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    CAPTURE(entry.path().string());
    CHECK_NOTHROW(safetensors::read(entry.path().string()));
  }
}

// ---- Files that are wrong ----

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
      {"a name of two MB", file_of("{\"" + std::string(2 << 20, 'n') + "\":{}}"),
       "at most 1048576 bytes, got more (at byte offset 9)"},
      {"a number of two MB", tensor_with("2", std::string(2 << 20, '1')), "at most 1048576 bytes"},
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

TEST_CASE("safetensors: a flipped bit of the data is named a checksum error") {
  const Folder folder;
  safetensors::write(folder / "x", {{"x", numbered({9}, DType::Float32)}});
  std::string bytes = load(folder / "x");
  bytes.back() = char(bytes.back() ^ 1);
  store(folder / "x", bytes);
  CHECK(contains(refusal(folder / "x"), "must have the checksum"));
}

// ---- Saving ----

namespace {

// With tensors large enough to need a system call each.
std::vector<Entry> large_checkpoint() {
  std::vector<Entry> entries = checkpoint();
  for (const char* name : {"large", "larger", "largest"})
    entries.push_back({name, numbered({17000}, DType::Float32)});
  return entries;
}

// Saves `large_checkpoint()` over an older file; the message of the IoError, "" if there is none.
std::string save(const std::string& path) {
  try {
    safetensors::write(path, large_checkpoint(), kMetadata, kFaultyCalls);
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("safetensors: a save that fails at any call leaves the old file or the new one") {
  const Folder folder;
  const std::string path = folder / "ckpt.safetensors";
  safetensors::write(path, {{"old", numbered({3}, DType::Float32)}});
  const std::string older = load(path);
  fault = {};
  REQUIRE(save(path) == "");
  const int calls = fault.calls;
  const std::string newer = load(path);
  const int64_t files = open_files();
  CHECK(calls > 10);

  for (const int error : {EIO, ENOSPC, EDQUOT, EINTR, EFBIG, 0})
    for (const bool ever : {false, true})
      for (int at = 1; at <= calls; ++at) {
        store(path, older);
        fault = {at, error, ever};
        const std::string message = save(path);
        CAPTURE(error);
        CAPTURE(ever);
        CAPTURE(at);
        CAPTURE(message);
        // One interruption, and any number of short writes, hinder nothing. A close that is
        // interrupted has closed.
        const bool harmless = error == 0 || (error == EINTR && (!ever || at == calls));
        CHECK(message.empty() == harmless);
        const bool replaced = harmless || at > calls - 3;  // after the rename: the directory
        CHECK(load(path) == (replaced ? newer : older));
        CHECK(folder.files() == 1);
        CHECK(open_files() == files);
        if (!harmless) {
          CHECK(message.starts_with("cannot "));
          CHECK(contains(message, "'" + path + "'"));
          CHECK(contains(message, std::generic_category().message(error)));
          CHECK(contains(message, "is in place") == replaced);
        }
      }

  // Without an older file there is none after a failure.
  fs::remove(path);
  for (int at = 1; at <= calls - 3; ++at) {
    fault = {at, EIO};
    CHECK(save(path) != "");
    CHECK(folder.files() == 0);
  }
  fault = {};
}

TEST_CASE("safetensors: a write of nothing and a folder without fsync are handled") {
  const Folder folder;
  FileCalls calls = system_calls();
  calls.write = [](int, const void*, size_t) -> ssize_t { return 0; };
  CHECK_THROWS_AS(safetensors::write(folder / "x", checkpoint(), {}, calls), IoError);
  CHECK(folder.files() == 0);
  calls = system_calls();
  calls.fsync = [](int file) {
    struct stat status;
    REQUIRE(::fstat(file, &status) == 0);
    errno = EINVAL;
    return S_ISDIR(status.st_mode) ? -1 : ::fsync(file);
  };
  CHECK_NOTHROW(safetensors::write(folder / "x", checkpoint(), {}, calls));
}

TEST_CASE("safetensors: write refuses places where no file can be") {
  const Folder folder;
  CHECK_THROWS_WITH_AS(safetensors::write(folder / "absent/x", checkpoint()),
                       doctest::Contains("cannot create '"), IoError);
  CHECK_THROWS_WITH_AS(safetensors::write(folder.path.string(), checkpoint()),
                       doctest::Contains("only a regular file can be replaced, got a folder"),
                       IoError);
  CHECK_THROWS_WITH_AS(safetensors::write("/dev/null", checkpoint()),
                       doctest::Contains("only a regular file can be replaced"), IoError);
  CHECK(folder.files() == 0);
}

TEST_CASE("safetensors: write takes a path without a folder") {
  const Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path);
  CHECK_NOTHROW(safetensors::write("x", checkpoint()));
  CHECK(refusal("x") == "");
  fs::current_path(before);
}

TEST_CASE("safetensors: write refuses what a file cannot hold") {
  const Folder folder;
  const std::string path = folder / "x";
  const Tensor x = numbered({2}, DType::Float32);
  const auto refused = [&](const std::vector<Entry>& tensors, const char* message,
                           const std::map<std::string, std::string>& metadata = {}) {
    CHECK_THROWS_WITH_AS(safetensors::write(path, tensors, metadata), doctest::Contains(message),
                         Error);
  };
  refused({{"x", numbered({2}, DType::Complex128)}}, "got complex128 (2) (tensor 'x')");
  refused({{"x", Tensor()}}, "got one without storage (tensor 'x')");
  refused({{"x", x}, {"y", x}, {"x", x}}, "names of tensors must differ, got 'x' twice");
  refused({{"__metadata__", x}}, "cannot have the name __metadata__");
  refused({{"\xff", x}}, "must be valid UTF-8");
  refused({{"x", x}}, "must be valid UTF-8", {{"k", "\xc3"}});
  refused({{"x", x}}, "skiff.crc32 is added by write", {{"skiff.crc32", "00000000"}});
  refused({{"x", x}}, "skiff.checksum is added by write", {{"skiff.checksum", "none"}});
  refused({{std::string(2 << 20, 'n'), x}}, "at most 1048576 bytes");
  refused(std::vector<Entry>(65535, {"x", x}), "at most 65536 tensors");
  CHECK(folder.files() == 0);
}
