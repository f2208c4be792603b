#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "data/cache.h"
#include "data/files/binary_file.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

TaskData pairs_of(uint16_t largest) {
  TaskData data;
  data.pairs = true;
  data.train = {{{3, 4, 2}, {5, largest, 2}, 1, /*cut=*/true}, {{2}, {2}, 0}};
  data.val = {{{1, 2}, {3, 2}, 0}};
  data.vocab = largest + 1;
  data.classes = 2;
  data.max_length = 4000;
  data.pad_to = 7;
  data.vocabulary = {"<pad>", "<unk>", "<eos>", "", "\xC3\xA9", std::string("\0", 1)};
  data.vocabulary.resize(size_t(data.vocab), "more");
  data.val_is_test = true;
  data.note = "a note";
  return data;
}

void check_same(const TaskData& a, const TaskData& b) {
  const auto same = [](const std::vector<Example>& x, const std::vector<Example>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [](const Example& p, const Example& q) {
                        return p.tokens == q.tokens && p.second == q.second && p.label == q.label &&
                               p.cut == q.cut;
                      });
  };
  CHECK(same(a.train, b.train));
  CHECK(same(a.val, b.val));
  CHECK(same(a.test, b.test));
  CHECK(a.pairs == b.pairs);
  CHECK(a.height == b.height);
  CHECK(a.width == b.width);
  CHECK(a.pixel_mean == b.pixel_mean);
  CHECK(a.pixel_deviation == b.pixel_deviation);
  CHECK(a.pad_to == b.pad_to);
  CHECK(a.vocab == b.vocab);
  CHECK(a.classes == b.classes);
  CHECK(a.max_length == b.max_length);
  CHECK(a.vocabulary == b.vocabulary);
  CHECK(a.note == b.note);
  CHECK(a.val_is_test == b.val_is_test);
}

}  // namespace

TEST_CASE("cache: gives back what was saved, for the same source, task and options") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "retrieval", "4000 1"};
  TaskData image;
  image.height = 2;
  image.width = 1;
  image.pixel_mean = 0.25;
  image.pixel_deviation = 0.5;
  image.test = {{{0, 255}, {}, 9}};
  image.classes = 10;
  for (const TaskData& data : {pairs_of(255), pairs_of(256), pairs_of(65535), image, TaskData()}) {
    REQUIRE(save_cache(key, data));
    TaskData read;
    read.note = "before";
    REQUIRE(load_cache(key, &read));
    check_same(read, data);
  }
  CHECK(cache_paths(key)[0] == key.source + ".retrieval.cache");
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 2);

  TaskData read;
  CHECK_FALSE(load_cache({key.source, "retrieval", "4000 2"}, &read));
  CHECK_FALSE(load_cache({key.source, "listops", "4000 1"}, &read));
  CHECK_FALSE(load_cache({folder.file("none"), "retrieval", "4000 1"}, &read));
  CHECK_FALSE(save_cache({folder.file("none"), "retrieval", "4000 1"}, read));
  fs::last_write_time(key.source, fs::last_write_time(key.source) + std::chrono::seconds(1));
  CHECK_FALSE(load_cache(key, &read));
  REQUIRE(save_cache(key, image));
  REQUIRE(load_cache(key, &read));
  const auto time = fs::last_write_time(key.source);
  folder.write("a.gz", "archive2");
  fs::last_write_time(key.source, time);
  CHECK_FALSE(load_cache(key, &read));
}

TEST_CASE("cache: a file that is damaged or cut anywhere is not used, and is replaced") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  TaskData data = pairs_of(300);
  data.vocabulary.clear();
  REQUIRE(save_cache(key, data));
  const std::string whole = read_file(cache_paths(key)[0]);
  TaskData read;
  read.note = "before";
  for (size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string broken = whole;
    broken[at] = char(broken[at] ^ 0x41);
    folder.write("a.gz.t.cache", broken);
    CHECK_FALSE(load_cache(key, &read));
    folder.write("a.gz.t.cache", whole.substr(0, at));
    CHECK_FALSE(load_cache(key, &read));
  }
  folder.write("a.gz.t.cache", whole + "x");
  CHECK_FALSE(load_cache(key, &read));
  CHECK(read.note == "before");
  REQUIRE(save_cache(key, data));
  CHECK(load_cache(key, &read));
  CHECK(read_file(cache_paths(key)[0]) == whole);
}

TEST_CASE("cache: every bit of its beginning, and 10,000 flips of the rest, are found") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  TaskData data = pairs_of(300);
  data.train.push_back({std::vector<uint16_t>(4000, 7), {5, 2}, 1});
  data.pad_to = 0;
  REQUIRE(save_cache(key, data));
  const std::string path = cache_paths(key)[0], whole = read_file(path);
  CHECK(whole.size() > 4000);
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  int64_t used = 0, flips = 0;
  TaskData read;
  REQUIRE(load_cache(key, &read));
  const auto flip = [&](size_t at, int bit) {
    const char flipped = char(whole[at] ^ (1 << bit));
    REQUIRE(::pwrite(file, &flipped, 1, off_t(at)) == 1);
    ++flips;
    used += load_cache(key, &read);
    REQUIRE(::pwrite(file, &whole[at], 1, off_t(at)) == 1);
  };
  for (size_t at = 0; at < 1000; ++at)
    for (int bit = 0; bit < 8; ++bit) flip(at, bit);
  uint32_t state = 1;
  for (int i = 0; i < 10000; ++i) {
    state = state * 1664525u + 1013904223u;
    flip(1000 + (state >> 11) % (whole.size() - 1000), int(state >> 29));
  }
  CHECK(flips == 18000);
  CHECK(used == 0);
  CHECK(load_cache(key, &read));
  for (size_t length = whole.size(); length-- > 0;) {
    REQUIRE(::ftruncate(file, off_t(length)) == 0);
    used += load_cache(key, &read);
  }
  ::close(file);
  CHECK(used == 0);
}

TEST_CASE("cache: goes to the user's folder, or nowhere, when the place beside cannot be written") {
  const Folder folder;
  const char* before = std::getenv("XDG_CACHE_HOME");
  const std::string kept = before ? before : "";
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  fs::create_directories(folder.path / "a.gz.t.cache" / "in the way");
  TaskData read;
  ::setenv("XDG_CACHE_HOME", folder.file("user").c_str(), 1);
  REQUIRE(cache_paths(key).size() == 2);
  CHECK(cache_paths(key)[1].starts_with(folder.file("user/skiff/a.gz.")));
  CHECK(save_cache(key, pairs_of(5)));
  CHECK(load_cache(key, &read));
  CHECK(fs::exists(cache_paths(key)[1]));
  const CacheKey namesake = {folder.write("b/a.gz", "archive"), "t", ""};
  CHECK(cache_paths(namesake)[1] != cache_paths(key)[1]);
  ::setenv("XDG_CACHE_HOME", folder.file("a.gz").c_str(), 1);  // a file, no folder
  CHECK_FALSE(save_cache(key, pairs_of(5)));
  CHECK_FALSE(load_cache(key, &read));
  before ? ::setenv("XDG_CACHE_HOME", kept.c_str(), 1) : ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("cache: a damaged count costs no memory, with a wrong checksum and with a right one") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  TaskData data;
  data.vocab = 2;
  data.classes = 1;
  const uint64_t length = 8000000;
  data.train = {{std::vector<uint16_t>(length, 1), {}, 0}};
  REQUIRE(save_cache(key, data));
  const std::string path = cache_paths(key)[0];
  std::string bytes = read_file(path);
  // The number of examples comes before the label, the cut mark, the group, the width and the
  // length of the first one.
  const std::string pattern(reinterpret_cast<const char*>(&length), sizeof length);
  const size_t at = bytes.find(pattern) - sizeof(Example::label) - sizeof(Example::cut) -
                    sizeof(Example::group) - 1 - sizeof(uint64_t);
  REQUIRE(bytes[at] == 1);
  bytes[at + 2] = 0x40;  // 4 million more
  const auto growth = [&] {
    return growth_of([&] {
      TaskData read;
      if (load_cache(key, &read)) throw Error("the cache was used");
    });
  };
  folder.write("a.gz.t.cache", bytes);
  CHECK(growth() < kMostGrowth);
  const size_t end = bytes.size() - sizeof(uint32_t);
  const uint32_t crc = uint32_t(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), end));
  bytes.replace(end, sizeof crc, reinterpret_cast<const char*>(&crc), sizeof crc);
  folder.write("a.gz.t.cache", bytes);
  CHECK(growth() < kMostGrowth);
}

TEST_CASE("cache: ids, labels and sizes out of range are not used, whatever the checksum says") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  TaskData image;
  image.height = image.width = 2;
  image.classes = 2;
  image.val = {{{0, 1, 2, 255}, {}, 1}};
  const auto used = [&](TaskData data, const std::function<void(TaskData&)>& change) {
    change(data);
    REQUIRE(save_cache(key, data));
    return load_cache(key, &data);
  };
  CHECK(used(image, [](TaskData&) {}));
  CHECK_FALSE(used(image, [](TaskData& d) { d.val[0].tokens = {256, 1, 2, 255}; }));
  CHECK_FALSE(used(image, [](TaskData& d) { d.val[0].tokens = {0, 1, 2}; }));
  CHECK_FALSE(used(image, [](TaskData& d) { d.val[0].label = 2; }));
  CHECK_FALSE(used(image, [](TaskData& d) { d.val[0].label = -1; }));
  CHECK_FALSE(used(image, [](TaskData& d) { d.width = 0; }));
  CHECK_FALSE(used(image, [](TaskData& d) { d.pixel_mean = NAN; }));
  CHECK_FALSE(used(image, [](TaskData& d) { d.pixel_deviation = 0; }));
  const TaskData pairs = pairs_of(300);
  CHECK(used(pairs, [](TaskData&) {}));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.train[0].tokens = {301, 4, 2}; }));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.val[0].second = {301, 2}; }));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.vocabulary.pop_back(); }));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.classes = int64_t(1) << 40; }));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.pad_to = -1; }));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.pad_to = int64_t(1) << 40; }));
  CHECK_FALSE(used(pairs, [](TaskData& d) { d.max_length = -1; }));
}

TEST_CASE("cache: a pipe in its place is not waited for") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  REQUIRE(::mkfifo(folder.file("a.gz.t.cache").c_str(), 0600) == 0);
  CHECK(in_child([&] {
          TaskData read;
          return std::string(load_cache(key, &read) ? "used" : "not used");
        }) == "not used");
}

TEST_CASE("cache: what was read while the archive was replaced is not kept") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  const auto read = [&](const std::string& archive) {
    return cached(true, key, {}, [&] {
      folder.write("a.gz", archive);
      return pairs_of(5);
    });
  };
  TaskData data;
  read("another archive");
  CHECK_FALSE(load_cache(key, &data));
  cached(true, key, {}, [&] { return pairs_of(5); });
  CHECK(load_cache(key, &data));
}

TEST_CASE("cache: a vocabulary that is given has to be the kept one, and is not kept itself") {
  const Folder folder;
  const CacheKey key = {folder.write("a.gz", "archive"), "t", ""};
  int reads = 0;
  const auto read_with = [&](const std::vector<std::string>& vocabulary) {
    return cached(true, key, vocabulary, [&] {
      ++reads;
      TaskData data = pairs_of(5);
      if (!vocabulary.empty()) data.vocabulary = vocabulary;
      return data;
    });
  };
  const std::vector<std::string> own = pairs_of(5).vocabulary;
  REQUIRE_FALSE(own.empty());
  std::vector<std::string> other = own;
  other.back() += "x";
  read_with(own);
  TaskData data;
  CHECK_FALSE(load_cache(key, &data));
  read_with({});
  CHECK(reads == 2);
  read_with(own);
  CHECK(reads == 2);  // from the cache
  CHECK(read_with(other).vocabulary == other);
  CHECK(reads == 3);
  REQUIRE(load_cache(key, &data));
  CHECK(data.vocabulary == own);
}
