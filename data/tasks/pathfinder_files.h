// Where the files of a Pathfinder level come from: a folder, or lra_release.gz.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace skiff::pathfinder {

inline constexpr const char* kLevel = "curv_contour_length_14";
// The folders that may hold pathfinder<side>; the inner lra_release before the outer one, which is
// not complete.
inline const std::vector<const char*> kPlaces = {"pathfinder", "lra_release/lra_release",
                                                 "lra_release", ""};

struct Place {
  std::string path;  // the folder of the level, or the archive; "" if there is none
  bool archive = false;
};
Place find_place(const std::string& folder, int64_t side);

struct Row {
  std::string file;  // of the image, relative to the level
  int32_t label = 0;
  uint16_t dashes = 0;  // of the marked curve, its difficulty; 0: not in the file
};

// The rows of a metadata file: lines of text, or a NumPy array of strings; columns: subfolder,
// file, index, label, continuity, dashes of the marked curve, ... Calls refuse(line, reason) for
// bad ones; throws DataError for a bad array.
std::vector<Row> parse_metadata(const std::string& bytes, const std::string& name,
                                const std::function<void(int64_t, const std::string&)>& refuse);

struct LevelFiles {
  struct Metadata {
    int64_t number = 0;
    std::string name;  // for messages
    std::string bytes;
  };
  std::vector<Metadata> metadata;  // ascending
  // The content of an image; DataError if it is not there. May be called by several threads.
  std::function<std::string(const std::string& file)> read;
  std::function<std::string(const std::string& file)> name_of;  // for messages
};

// Throws DataError. An archive is read to its end, and the images of the level stay in memory, as
// they are packed, until the last copy of `read` goes.
LevelFiles open_level(const Place& place, int64_t side);

}  // namespace skiff::pathfinder
