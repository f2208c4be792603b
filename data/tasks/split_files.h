// What the tasks have in common whose splits are three files of lines, in a folder or in the
// archive of the Long Range Arena.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "data/files/text_file.h"

namespace skiff {

struct SplitFiles {
  struct File {
    const char* split;  // train, val or test
    const char* name;
  };
  std::array<File, 3> files;
  std::vector<const char*> places;  // folders below DIR where they may be; "" is DIR itself
  // Of several files of one name in an archive: the one that is deepest in folders counts, because
  // the outer ones of the release are left over. Else the first one, and reading ends with the
  // third.
  bool deepest = false;

  // The folder with the first file, or an archive, or "". `dir` may also be one of the files.
  std::string find(const std::string& dir) const;

  // Calls use(i, path, reader) for the file of each split i that is there, and absent(i, path) for
  // the others. Where a deeper file replaces one that was read before, use() is called again, and
  // an error in the first one is forgotten.
  void for_each(const std::string& place,
                const std::function<void(size_t, const std::string&, LineReader&)>& use,
                const std::function<void(size_t, const std::string&)>& absent) const;

 private:
  size_t index_of(const std::string& path) const;  // 3: none
};

}  // namespace skiff
