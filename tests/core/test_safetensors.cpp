// safetensors: round trips, files from elsewhere, and saves that fail.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <system_error>

#include "core/io/safetensors.h"
#include "tests/support/faults.h"
#include "tests/support/folder.h"
#include "tests/support/safetensors_files.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
using safetensors::Entry;
namespace fs = std::filesystem;

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
        // One interruption and any number of short writes do no harm. A close that is
        // interrupted closes all the same.
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

  // Where there was no older file, a failure leaves none.
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
  refused({{std::string(17 << 20, 'n'), x}}, "at most 16777216 bytes");
  refused(std::vector<Entry>(65535, {"x", x}), "at most 65536 tensors");
  CHECK(folder.files() == 0);
}
