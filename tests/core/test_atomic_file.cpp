// Files that appear whole or not at all: what may be replaced, links, and every call that fails.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>
#include <system_error>

#include "core/check.h"
#include "tests/support/faults.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

int64_t count_files(const Folder& folder) {
  return std::distance(fs::directory_iterator(folder.path), {});
}

// In pieces of several sizes, so that some are gathered and some go straight to the disk.
const size_t kPieces[] = {10, 200000, 1, 65536, 70000, 0, 5};

std::string whole() {
  std::string bytes;
  for (const size_t size : kPieces) bytes += std::string(size, char('a' + size % 26));
  return bytes;
}

void replace(const std::string& path, const FileCalls& calls = system_calls()) {
  AtomicFile file(path, calls);
  for (const size_t size : kPieces) file.write(std::string(size, char('a' + size % 26)));
  file.publish();
}

// The message of the IoError, "" if there is none; every other exception passes.
std::string refusal(const std::string& path, const FileCalls& calls = system_calls()) {
  try {
    replace(path, calls);
  } catch (const IoError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("atomic file: it appears when it is published, and else leaves nothing") {
  const Folder folder;
  const std::string path = folder.file("a.txt");
  { AtomicFile(path).write("half"); }
  CHECK(count_files(folder) == 0);
  {
    AtomicFile file(path);
    file.write("whole");
    file.finish();
    file.finish();
    CHECK_FALSE(fs::exists(path));
    CHECK_THROWS_AS(file.write("more"), Error);
    file.publish();
  }
  CHECK(slurp(path) == "whole");
  CHECK(count_files(folder) == 1);
  replace(path);
  CHECK((slurp(path) == whole()));
}

TEST_CASE("atomic file: a call that fails, once or from then on, leaves the old file or the new") {
  const Folder folder;
  const std::string path = folder.file("a.txt");
  fault = {};
  REQUIRE(refusal(path, kFaultyCalls) == "");
  const int calls = fault.calls;
  CHECK(calls == 13);
  const char* const kLast[] = {"close the folder '", "sync the folder '", "open the folder '",
                               "replace '",          "close '",           "sync '"};
  const int64_t files = open_files();

  for (const int error : {EIO, ENOSPC, EDQUOT, EINTR, EFBIG, 0})
    for (const bool ever : {false, true})
      for (int at = 1; at <= calls; ++at) {
        folder.write("a.txt", "old");
        fault = {at, error, ever};
        const std::string message = refusal(path, kFaultyCalls);
        CAPTURE(error);
        CAPTURE(ever);
        CAPTURE(at);
        CAPTURE(message);
        // One interruption, and any number of short writes, hinder nothing. A close that is
        // interrupted has closed.
        const bool harmless = error == 0 || (error == EINTR && (!ever || at == calls));
        CHECK(message.empty() == harmless);
        const bool replaced = harmless || at > calls - 3;
        CHECK((slurp(path) == (replaced ? whole() : "old")));
        CHECK(count_files(folder) == 1);
        CHECK(open_files() == files);
        if (!harmless) {
          const std::string action = at == 1           ? "create '"
                                     : calls - at >= 6 ? "write '"
                                                       : kLast[calls - at];
          // An interrupted close has closed: the next call is the one that fails.
          if (error != EINTR || action != "close '") CHECK(message.starts_with("cannot " + action));
          CHECK(contains(message, "'" + path + "'"));
          CHECK(contains(message, std::generic_category().message(error)));
          CHECK(contains(message, "is in place") == replaced);
        }
      }
  fault = {};
}

TEST_CASE("atomic file: a disk that takes nothing and names no reason counts as full") {
  const Folder folder;
  FileCalls calls = system_calls();
  calls.write = [](int, const void*, size_t) -> ssize_t { return 0; };
  CHECK(contains(refusal(folder.file("a.txt"), calls), "No space left on device"));
  CHECK(count_files(folder) == 0);
}

TEST_CASE("atomic file: the error reported is that of the call, not of the cleaning up after it") {
  const Folder folder;
  FileCalls calls = system_calls();
  calls.write = [](int, const void*, size_t) -> ssize_t {
    errno = EDQUOT;
    return -1;
  };
  calls.close = [](int file) {
    ::close(file);
    errno = EIO;
    return -1;
  };
  CHECK(contains(refusal(folder.file("a.txt"), calls), "Disk quota exceeded"));
}

TEST_CASE("atomic file: after a failure nothing more is written and nothing can be published") {
  const Folder folder;
  AtomicFile file(folder.file("a.txt"), kFaultyCalls);
  fault = {1, ENOSPC};
  CHECK_THROWS_AS(file.write(std::string(100000, 'a')), IoError);
  fault = {};
  CHECK_THROWS_AS(file.write("b"), Error);
  CHECK_THROWS_AS(file.publish(), Error);
  CHECK(count_files(folder) == 0);
}

TEST_CASE("atomic file: only a regular file is replaced") {
  const Folder folder;
  const auto keeps = [&](const std::string& path, const char* kind) {
    CAPTURE(path);
    struct stat before, after;
    REQUIRE(::stat(path.c_str(), &before) == 0);
    const std::string message = refusal(path);
    CHECK(contains(message, "cannot write '" + path + "'"));
    CHECK(contains(message, std::string("got ") + kind));
    REQUIRE(::stat(path.c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK(before.st_mode == after.st_mode);
  };
  keeps(folder.path.string(), "a folder");
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  keeps(folder.file("pipe"), "a pipe");

  // A device, by a link: were it replaced, the link would be what is lost.
  fs::create_symlink("/dev/null", folder.file("device"));
  keeps(folder.file("device"), "a device");
  CHECK(fs::read_symlink(folder.file("device")) == "/dev/null");

  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = folder.file("socket");
  REQUIRE(name.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, name.c_str(), name.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(socket);
  keeps(name, "a socket");
  CHECK(count_files(folder) == 3);
}

TEST_CASE("atomic file: a link stays, and the file that it leads to is replaced or made") {
  const Folder folder;
  folder.write("far/old.txt", "old");
  fs::create_symlink("far/old.txt", folder.file("first"));
  fs::create_symlink(folder.file("first"), folder.file("second"));
  fs::create_symlink("far/new.txt", folder.file("dangling"));
  fs::create_symlink("circle", folder.file("circle"));
  for (const char* name : {"second", "dangling"}) {
    CHECK(refusal(folder.file(name)) == "");
    CHECK(fs::is_symlink(folder.file(name)));
  }
  CHECK(fs::is_symlink(folder.file("first")));
  CHECK((slurp(folder.file("far/old.txt")) == whole()));
  CHECK((slurp(folder.file("far/new.txt")) == whole()));
  CHECK(contains(refusal(folder.file("circle")), "Too many levels of symbolic links"));
  CHECK(count_files(folder) == 5);
  CHECK(std::distance(fs::directory_iterator(folder.path / "far"), {}) == 2);
}

TEST_CASE("atomic file: a file keeps its permissions when it is replaced") {
  const Folder folder;
  const std::string path = folder.write("a.txt", "old");
  for (const mode_t mode : {0600, 0664, 0755}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    replace(path);
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == mode);
  }
}

// What a program left that was killed, or what a process of the same number writes on another host.
TEST_CASE("atomic file: the temporary file of another program is neither used nor removed") {
  const Folder folder;
  const std::string own = "a.txt.tmp." + std::to_string(::getpid());
  const std::string outside = folder.write("outside", "safe");
  fs::create_symlink(outside, folder.file(own));
  {
    AtomicFile first(folder.file("a.txt")), second(folder.file("a.txt"));
    first.write("1");
    second.write("2");
    first.publish();
    CHECK(slurp(folder.file("a.txt")) == "1");
    second.publish();
    CHECK(slurp(folder.file("a.txt")) == "2");
  }
  CHECK(slurp(outside) == "safe");
  CHECK(fs::is_symlink(folder.file(own)));
  CHECK(count_files(folder) == 3);
}

TEST_CASE("atomic file: a path without a folder, and one whose folder is missing") {
  const Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path);
  CHECK(refusal("a.txt") == "");
  CHECK(count_files(folder) == 1);
  fs::current_path(before);
  const std::string path = folder.file("none/a.txt");
  CHECK(refusal(path) == "cannot create '" + path + "': No such file or directory");
}
