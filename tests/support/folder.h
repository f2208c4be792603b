// A folder for the files of a test, removed with the object.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace skiff::testing {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "skiff-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string name() const { return path.string(); }
  std::string file(const std::string& place) const { return (path / place).string(); }
  std::string operator/(const std::string& place) const { return file(place); }
  int64_t files() const { return std::distance(std::filesystem::directory_iterator(path), {}); }
  // Writes a file, and makes the folders above it; returns its path.
  std::string write(const std::string& place, const std::string& content) const {
    std::filesystem::create_directories((path / place).parent_path());
    std::ofstream(path / place, std::ios::binary) << content;
    return file(place);
  }
  std::string write_gzip(const std::string& place, const std::string& content) const {
    std::filesystem::create_directories((path / place).parent_path());
    const gzFile stream = ::gzopen(file(place).c_str(), "wb");
    REQUIRE(stream != nullptr);
    REQUIRE(::gzwrite(stream, content.data(), unsigned(content.size())) == int(content.size()));
    REQUIRE(::gzclose(stream) == Z_OK);
    return file(place);
  }

  std::filesystem::path path;
};

}  // namespace skiff::testing
