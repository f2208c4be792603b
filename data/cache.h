// A task kept as it was read from an archive that takes minutes to read: one compact file beside
// the archive, or in $XDG_CACHE_HOME/skiff (~/.cache/skiff) where that folder cannot be written.
// It is valid for one size and time of the archive and one set of options; otherwise the task is
// read again.
//
//   return cached(use, key, {}, [&] { return read(archive); });
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/task.h"

namespace skiff {

struct CacheKey {
  std::string source;   // the archive
  std::string task;     // "retrieval"; one file per task
  std::string options;  // everything else that the data depends on
};

// Where the file can be, the preferred place first.
std::vector<std::string> cache_paths(const CacheKey& key);

// False when there is no file that fits, or it is damaged; then `data` is as it was.
bool load_cache(const CacheKey& key, TaskData* data);

// False when it could not be written; the data can be used all the same.
bool save_cache(const CacheKey& key, const TaskData& data);

// The data of the cache. If there is none, or `use` is false, what read() returns, which is kept.
// With a `vocabulary` that read() goes by, the cache is used if it has the same one, and nothing is
// kept.
TaskData cached(bool use, const CacheKey& key, const std::vector<std::string>& vocabulary,
                const std::function<TaskData()>& read);

}  // namespace skiff
