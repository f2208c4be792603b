// What the tasks have in common whose splits are three files of lines, in a folder or in the
// archive of the Long Range Arena.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "data/files/text_file.h"
#include "data/report.h"

namespace skiff {

struct SplitFiles {
  struct File {
    const char* split;  // train, val or test
    const char* name;
  };
  std::array<File, 3> files;
  std::vector<const char*> places;  // folders below DIR where they may be; "" is DIR itself
  const char* hint;  // where the files come from, for the message that one is missing
  // Of several files of one name in an archive: the one that is deepest in folders counts, because
  // the outer ones of the release are left over. Else the first one, and reading ends with the
  // third.
  bool deepest = false;

  // The folder with the first file, or an archive, or "". `dir` may also be one of the files.
  std::string find(const std::string& dir) const;
  std::string find_or_fail(const std::string& dir) const;

  // Reads the rows of split i. Calls refuse(line, reason) for those that cannot be used.
  using RefuseLine = std::function<void(int64_t line, const std::string& reason)>;
  using Scan = std::function<void(size_t i, LineReader& reader, const RefuseLine& refuse)>;

  // Scans the files at the place that find() gave. Where a deeper file replaces one that was read
  // before, scan(i, ..) is called again. DataError for the first problem, or a missing file.
  void read(const std::string& place, const Scan& scan) const;
  // The same, but goes on after a problem. False if none of the files is there.
  bool check(const std::string& place, const Scan& scan, ReportBuilder* report) const;

 private:
  using Use = std::function<void(size_t i, const std::string& path, LineReader& reader)>;
  using Unusable =
      std::function<void(size_t i, const std::string& path, const std::string& reason)>;
  // absent: the file is not there; unreadable: it cannot be opened.
  void for_each(const std::string& place, const Use& use, const Unusable& absent,
                const Unusable& unreadable) const;
  size_t index_of(const std::string& path) const;  // 3: none
};

}  // namespace skiff
