// The files of a place: of a folder and the folders below it, of an archive, or one file. Nothing
// is unpacked; a gzipped file is read as what is in it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/language/token_reader.h"

namespace skiff {

class TextFiles {
 public:
  // DataError when the place is not there, and when an archive is damaged, holds a name that leads
  // out of it, or two files of the same name.
  explicit TextFiles(const std::string& place);

  enum class Kind { File, Folder, Archive };
  Kind kind() const { return kind_; }
  const std::string& place() const { return place_; }
  // Sorted paths below the place. Of a folder: its files, those of its folders, and those of train
  // and test folders with one more level. Names that begin with a dot are left out, and what
  // macOS adds to a zip archive.
  const std::vector<std::string>& names() const { return names_; }
  std::string path_of(const std::string& name) const;  // for messages, and of a file or folder

  // Reads these files one after another, and calls ended() after each. join: a file that does not
  // end with a line end gets one.
  void read(const std::vector<std::string>& names, bool join, TokenReader* reader,
            const std::function<void()>& ended) const;

 private:
  using Source = std::function<size_t(char*, size_t)>;
  void list_folder(const std::string& folder, int levels);
  void list_archive();
  void read_many(const std::vector<std::string>& names, bool join, TokenReader* reader,
                 const std::function<void()>& ended) const;
  void feed(const std::string& name, const Source& source, TokenReader* reader) const;

  std::string place_;
  Kind kind_ = Kind::File;
  std::vector<std::string> names_;
};

}  // namespace skiff
