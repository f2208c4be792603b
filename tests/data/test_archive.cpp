#include <doctest/doctest.h>

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/text_file.h"
#include "data/tasks.h"
#include "tests/support/child.h"
#include "tests/support/folder.h"
#include "tests/support/tar.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

Files files_of(const std::string& path) {
  ArchiveReader archive(path);
  Files files;
  while (archive.next()) {
    const std::string name = archive.name();
    files.emplace_back(name, archive.read_all());
  }
  CHECK_FALSE(archive.next());
  return files;
}

std::string gunzip(const std::string& path) {
  GzipReader reader(path);
  std::string bytes(size_t(1) << 20, '\0');
  bytes.resize(reader.read(bytes.data(), bytes.size()));
  return bytes;
}

// A zip archive as other programs write it, by libarchive.
std::string zip_of(const Files& files, const std::string& path) {
  struct archive* zip = ::archive_write_new();
  ::archive_write_set_format_zip(zip);
  REQUIRE(::archive_write_open_filename(zip, path.c_str()) == ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_size(entry, int64_t(content.size()));
    ::archive_entry_set_filetype(entry, content == "->" ? AE_IFLNK : AE_IFREG);
    if (content == "->") ::archive_entry_set_symlink(entry, "a.txt");
    ::archive_entry_set_perm(entry, 0644);
    REQUIRE(::archive_write_header(zip, entry) == ARCHIVE_OK);
    if (content != "->") ::archive_write_data(zip, content.data(), content.size());
    ::archive_entry_free(entry);
  }
  REQUIRE(::archive_write_free(zip) == ARCHIVE_OK);
  return path;
}

// Bytes that gzip hardly shortens.
std::string noise(size_t count) {
  std::string bytes;
  uint32_t state = 1;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    bytes += char(state >> 24);
  }
  return bytes;
}

const std::string kLongName = "folder/" + std::string(300, 'n') + ".txt";

std::string pax(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

}  // namespace

TEST_CASE("archive: plain and gzipped tar give the same files, whatever the name") {
  const Folder folder;
  const Files files = {{"a.txt", "one"}, {"empty", ""}, {"b/c.bin", noise(70000)}, {"d", "x"}};
  const std::string bytes = tar_of(files);
  for (const char* name : {"a.tar", "a.tar.gz", "a.tgz", "lra_release.gz", "none"}) {
    CHECK(files_of(folder.write(name, bytes)) == files);
    CHECK(files_of(folder.write(name, gzip_of(bytes))) == files);
  }
  const size_t half = 512 * 20;  // gzip files one after another are one file
  const std::string two = gzip_of(bytes.substr(0, half)) + gzip_of(bytes.substr(half));
  CHECK(files_of(folder.write("two.tar.gz", two)) == files);
  CHECK(files_of(folder.write("one block of zeros", bytes.substr(0, bytes.size() - 512))) == files);
}

TEST_CASE("archive: folders, links, other types and './' are passed over") {
  const Folder folder;
  const auto linked = [](std::string header) { return with_sum(header.replace(157, 1, "b")); };
  const std::string bytes = member("folder/", "", '5') + member("./folder/a", "1") +
                            linked(header_of({"link", 700, '2'})) +
                            linked(header_of({"hard", 700, '1'})) +
                            member("global", pax("comment", "x"), 'g') + member("label", "", 'V') +
                            member("old folder/", "") + member("./././b", "2", '\0') + kTarEnd;
  const Files files = files_of(folder.write("a.tar", bytes));
  CHECK(files == Files{{"folder/a", "1"}, {"b", "2"}});
}

TEST_CASE("archive: long names of GNU, of ustar and of pax") {
  const Folder folder;
  const std::string gnu = std::string("ustar  \0", 8);
  const std::string bytes =
      member("././@LongLink", kLongName + '\0', 'L') + header_of({kLongName.substr(0, 100), 1}) +
      padded("1") + header_of({.name = "end", .size = 1, .prefix = "begin/of"}) + padded("2") +
      header_of({.name = "gnu", .size = 1, .magic = gnu, .prefix = "12345"}) + padded("3") +
      header_of({.name = "old", .size = 1, .magic = "", .prefix = "12345"}) + padded("4") +
      member("pax", pax("mtime", "1.5") + pax("path", "real/" + kLongName), 'x') +
      member("short", "5") + member("next", "6") + kTarEnd;
  CHECK(files_of(folder.write("a.tar", bytes)) == Files{{kLongName, "1"},
                                                        {"begin/of/end", "2"},
                                                        {"gnu", "3"},
                                                        {"old", "4"},
                                                        {"real/" + kLongName, "5"},
                                                        {"next", "6"}});
}

TEST_CASE("archive: sizes in base 256 and in pax records") {
  const Folder folder;
  const std::string binary = std::string("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12);
  const std::string bytes = header_of({.name = "a", .size_field = binary}) + padded("abc") +
                            member("pax", pax("size", "5"), 'x') + header_of({"b", 0}) +
                            padded("12345") + kTarEnd;
  CHECK(files_of(folder.write("a.tar", bytes)) == Files{{"a", "abc"}, {"b", "12345"}});
}

TEST_CASE("archive: zip gives the same files, links passed over, damage refused") {
  const Folder folder;
  const std::string path = folder.file("x.zip");
  zip_of({{"a.txt", "one"}, {"link", "->"}, {"b/c.bin", noise(70000)}, {"empty", ""}}, path);
  CHECK(files_of(path) == Files{{"a.txt", "one"}, {"b/c.bin", noise(70000)}, {"empty", ""}});
  std::string bytes = read_file(path);
  folder.write("cut.zip", bytes.substr(0, bytes.size() / 2));
  CHECK_THROWS_AS(files_of(folder.file("cut.zip")), DataError);
  bytes[bytes.size() / 2] ^= 1;
  folder.write("damaged.zip", bytes);
  CHECK_THROWS_WITH_AS(files_of(folder.file("damaged.zip")), doctest::Contains("damaged.zip: "),
                       DataError);
}

TEST_CASE("archive: a file can be read in parts, passed over, and has a limit") {
  const Folder folder;
  const std::string data = noise(100000);
  ArchiveReader archive(
      folder.write("a.tgz", gzip_of(tar_of({{"a", data}, {"b", data}, {"c", "3"}}))));
  CHECK(archive.next());
  char part[1000];
  CHECK(archive.read(part, sizeof part) == 1000);
  CHECK(std::string(part, 1000) == data.substr(0, 1000));
  CHECK(archive.read_all(99000) == data.substr(1000));
  CHECK(archive.read(part, sizeof part) == 0);
  CHECK(archive.next());
  CHECK(archive.read(part, sizeof part) == 1000);
  CHECK_THROWS_WITH_AS(archive.read_all(98999),
                       doctest::Contains("a.tgz: b: the file must have at most 98999 bytes"),
                       DataError);
  CHECK(archive.next());
  CHECK(archive.read_all() == "3");
}

TEST_CASE("archive: one of another data set is known by its name") {
  const Folder folder;
  const std::string release = folder.write("lra_release.gz", "x");
  CHECK(is_archive_of_others(release, "aclImdb"));
  CHECK_FALSE(is_archive_of_others(release, "lra_release"));
  CHECK_FALSE(is_archive_of_others(folder.write("mine.tar.gz", "x"), "aclImdb"));
  CHECK_FALSE(is_archive_of_others(folder.name(), "aclImdb"));
  CHECK_FALSE(task_named("text").has_data(release));
  CHECK(task_named("listops").has_data(release));
  CHECK_FALSE(task_named("listops").has_data(folder.write("aclImdb_v1.tar.gz", "x")));
}

TEST_CASE("archive: what is kept of many small files is about as large as they are") {
  const Folder folder;
  ArchiveReader archive(folder.write("a.tgz", gzip_of(tar_of({{"a", noise(1000)}, {"b", ""}}))));
  REQUIRE(archive.next());
  CHECK(archive.read_all().capacity() < 1100);
  REQUIRE(archive.next());
  CHECK(archive.read_all().capacity() < 100);
}

TEST_CASE("archive: what is damaged or cut is one error with the file and the place") {
  const Folder folder;
  const std::string bytes = tar_of({{"a.txt", "one"}, {"b.txt", noise(3000)}});
  const std::string gz = gzip_of(bytes);
  const auto changed = [](std::string text, size_t at, char by) {
    text[at] = char(text[at] + by);
    return text;
  };
  const auto sized = [](const std::string& field) {
    return header_of({.name = "a", .size_field = field}) + padded("a") + kTarEnd;
  };
  const std::string file = member("a", "1") + kTarEnd;
  struct Case {
    std::string content, message;
  };
  const Case cases[] = {
      {"", "x.tar: the file is empty"},
      {"tiny", "x.tar: the file is no tar or zip archive"},
      {noise(2000), "x.tar: the file is no tar or zip archive"},
      {gzip_of(noise(2000)), "x.tar: the file is no tar or zip archive"},
      {"PK\x03\x04 and no more", "x.tar: the archive is damaged or cut after"},
      {changed(bytes, 0, 1), "no tar or zip archive"},
      {changed(bytes, 1024, 1), "x.tar: the archive is damaged or cut after 1536 bytes: Damaged"},
      {bytes.substr(0, 1024), "the archive is cut, it has no end mark after 1024 bytes"},
      {bytes.substr(0, 1100), "the archive is damaged or cut after 1024 bytes"},
      {bytes.substr(0, 2000), "the archive is damaged or cut after 2000 bytes, in 'b.txt'"},
      {bytes.substr(0, 600), "the archive is damaged or cut after 600 bytes, in 'a.txt'"},
      {gz.substr(0, gz.size() / 2), "the gzip data is damaged or cut after"},
      {gz.substr(0, gz.size() - 1), "the gzip data is damaged or cut after"},
      {changed(gz, gz.size() - 5, 1), "incorrect data check"},
      {changed(gz, gz.size() / 2, 1), "the gzip data is damaged or cut after"},
      {sized("9999999999 "), "x.tar: "},
      {sized(std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12)), "negative size"},
      {sized(std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)), "size overflow"},
      {sized(std::string("\x80\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff", 12)),
       "a: the file must have at most 1073741824 bytes, got 36028797018963967"},
      {header_of({"l", size_t(1) << 30, 'L'}) + kTarEnd, "header too large"},
      {header_of({"l", 900, 'L'}) + padded("name"), "damaged or cut after 512 bytes"},
      {member("p", "99 path=a\n", 'x') + file, "damaged or cut after"},
      {member("p", "path=a\n", 'x') + file, "damaged or cut after"},
      {member("p", "4 a\n", 'x') + file, "damaged or cut after"},
      {member("p", "0 a=\n", 'x') + file, "damaged or cut after"},
      {member("p", "10 path=ab", 'x') + file, "damaged or cut after"},
      {member("p", pax("size", "1"), 'x') + kTarEnd, "damaged or cut after"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.message);
    CHECK_THROWS_WITH_AS(files_of(folder.write("x.tar", c.content)),
                         doctest::Contains(c.message.c_str()), DataError);
  }
  // A stated size costs no memory before the bytes are there.
  ArchiveReader huge(folder.write("x.tar", sized("77777777777")));
  CHECK(huge.next());
  CHECK_THROWS_WITH_AS(huge.read_all(int64_t(1) << 40),
                       doctest::Contains("damaged or cut after 2048 bytes"), DataError);
  CHECK_THROWS_WITH_AS(ArchiveReader(folder.file("none.tar")), doctest::Contains("cannot open"),
                       DataError);
  CHECK_THROWS_WITH_AS(files_of(folder.file(".")), doctest::Contains("cannot read"), DataError);
}

TEST_CASE("archive: damage anywhere in a gzipped archive is an error, never other content") {
  const Folder folder;
  const Files files = {{"a.txt", noise(300)}, {"b.txt", "two"}};
  const std::string gz = gzip_of(tar_of(files));
  for (size_t at = 0; at < gz.size(); ++at) {
    CAPTURE(at);
    std::string broken = gz;
    broken[at] = char(broken[at] ^ 0x10);
    Files read;
    try {
      read = files_of(folder.write("x.tgz", broken));
    } catch (const DataError&) {
      continue;
    }
    CHECK(read == files);  // a bit that no reader needs
  }
  for (size_t length = 0; length < gz.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_AS(files_of(folder.write("x.tgz", gz.substr(0, length))), DataError);
  }
}

TEST_CASE("archive: what comes out of a small archive is limited, whatever it unpacks to") {
  const Folder folder;
  // Gzip files one after another are one file: the packed member nine times.
  const std::string packed = gzip_of(member("a", std::string(size_t(1) << 23, 'x')));
  std::string bytes;
  for (int i = 0; i < 9; ++i) bytes += packed;
  CHECK(bytes.size() < 1000000);
  CHECK_THROWS_WITH_AS(files_of(folder.write("a.tgz", bytes + gzip_of(kTarEnd))),
                       doctest::Contains("a.tgz: a: the files of this archive need more than"),
                       DataError);
  // In parts, as lines are read.
  ArchiveReader archive(folder.path / "a.tgz");
  const auto read_in_parts = [&] {
    std::string part(size_t(1) << 16, '\0');
    while (archive.next()) {
      while (archive.read(part.data(), part.size()) > 0) {
      }
    }
  };
  CHECK_THROWS_WITH_AS(read_in_parts(), doctest::Contains("the files of this archive need more"),
                       DataError);
  // Names count, too.
  const auto empty_file = [](size_t size) {
    return member("long", std::string(size, 'n') + '\0', 'L') + header_of({"short", 0});
  };
  CHECK_THROWS_WITH_AS(files_of(folder.write("b.tar", empty_file(4097) + kTarEnd)),
                       doctest::Contains("the name of a file must have at most 4096 bytes, got"),
                       DataError);
  std::string dots;
  for (int i = 0; i < 2100; ++i) dots += "./";
  CHECK_THROWS_WITH_AS(files_of(folder.write("c.tar", member("long", dots + "a" + '\0', 'L') +
                                                          header_of({"short", 0}) + kTarEnd)),
                       doctest::Contains("at most 4096 bytes, got 4201"), DataError);
  std::string thousand;
  for (int i = 0; i < 1000; ++i) thousand += empty_file(4000);
  thousand = gzip_of(thousand);
  bytes = "";
  for (int i = 0; i < 15; ++i) bytes += thousand;
  CHECK(bytes.size() < 1000000);
  CHECK_THROWS_WITH_AS(files_of(folder.write("b.tgz", bytes + gzip_of(kTarEnd))),
                       doctest::Contains("the files of this archive need more than"), DataError);
}

TEST_CASE("gzip: plain and gzipped files are read alike, damaged ones are refused") {
  const Folder folder;
  const std::string content = noise(300000);
  const std::string gz = gzip_of(content);
  CHECK(gunzip(folder.write("plain", content)) == content);
  CHECK(gunzip(folder.write("zipped", gz)) == content);
  CHECK(gunzip(folder.write("empty", "")).empty());
  // The name is that of the file, not a number of the system.
  const std::string cut = folder.write("x.gz", gz.substr(0, gz.size() / 2));
  const std::string message = message_of([&] { gunzip(cut); });
  CHECK(contains(message, "x.gz: the gzip data is damaged or cut after"));
  CHECK(contains(message, "unpacked bytes: unexpected end of file"));
  std::string damaged = gz;
  damaged[gz.size() - 6] ^= 1;  // the check sum
  const std::string path = folder.write("damaged", damaged);
  CHECK_THROWS_WITH_AS(gunzip(path), doctest::Contains("damaged or cut"), DataError);
  CHECK_THROWS_WITH_AS(gunzip(folder.file("none")), doctest::Contains("No such file"), DataError);
}

TEST_CASE("archive: names with control characters are printed as such") {
  const Folder folder;
  ArchiveReader archive(
      folder.write("a.tar", tar_of({{"\x1b]0;t\x07\x1b[31mred/\xC3\xA9\xC2\x9B\x9B", ""}})));
  REQUIRE(archive.next());
  CHECK(archive.place() ==
        folder.file("a.tar") + ": \\x1b]0;t\\x07\\x1b[31mred/\xC3\xA9\\xc2\\x9b\\x9b");
  CHECK(printable(archive.place()) == archive.place());
  CHECK(quoted(std::string_view("a\0\x7f\x85\xC3\xA9", 6)) == "'a\\x00\\x7f\\x85\xC3\xA9'");
  // Cut between two characters.
  CHECK(quoted(std::string(39, 'a') + "\xC3\xA9") == "'" + std::string(39, 'a') + "...'");
  CHECK(quoted(std::string(38, 'a') + "\xC3\xA9") == "'" + std::string(38, 'a') + "\xC3\xA9'");
}

TEST_CASE("files: a pipe or a device is refused, not waited for") {
  const Folder folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const std::function<void()> readers[] = {
      [&] { read_file(pipe); }, [&] { GzipReader reader(pipe); }, [&] { LineReader reader(pipe); },
      [&] { ArchiveReader reader(pipe); }, [&] { read_file("/dev/zero", 1000); }};
  for (const auto& read : readers) {
    CHECK(contains(in_child([&] { return message_of(read); }),
                   "': it is a pipe, a socket or a device, not a file"));
  }
}

TEST_CASE("files: a folder that may not be searched is no empty folder") {
  const Folder folder;
  folder.write("closed/inner/file", "");
  const auto closed = folder.path / "closed";
  std::filesystem::permissions(folder.path, std::filesystem::perms(0755));
  std::filesystem::permissions(closed, std::filesystem::perms(0));
  for (const auto& look : {is_there, is_file, is_folder}) {
    CHECK(contains(message_for_others([&] { look(closed / "inner"); }),
                   "closed/inner': Permission denied"));
    CHECK(message_for_others([&] { look(closed); }).empty());
  }
  CHECK(contains(message_for_others([&] { names_in(closed); }), "closed': Permission denied"));
  std::filesystem::permissions(closed, std::filesystem::perms(0755));
  CHECK(names_in(closed) == std::vector<std::string>{"inner"});
}
