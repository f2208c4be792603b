// The tasks train_lra can train on: how each is loaded.
#pragma once

#include <string>
#include <vector>

#include "data/tasks/fashion.h"
#include "data/tasks/image.h"
#include "data/tasks/listops.h"
#include "data/tasks/pathfinder.h"
#include "data/tasks/retrieval.h"
#include "data/tasks/text.h"
#include "examples/train/settings.h"

namespace skiff {

inline TaskData load_task(const Settings& s) {
  const bool original = s.protocol == "gr";
  if (s.task == "listops") return listops::load(s.data, {.max_length = s.max_length});
  if (s.task == "text") {
    const Encoding encoding = original  ? Encoding::Original
                              : s.bytes ? Encoding::Bytes
                                        : Encoding::Characters;
    return text::load(s.data,
                      {.max_length = s.max_length, .encoding = encoding, .val_split = s.val_split});
  }
  if (s.task == "retrieval")
    return retrieval::load(s.data,
                           {.max_length = s.max_length,
                            .encoding = original ? Encoding::Original : Encoding::Characters});
  if (s.task == "image") return image::load(s.data, {.original = original});
  if (s.task == "fashion") return fashion::load(s.data);
  if (s.task == "pathfinder32") return pathfinder::load(s.data, 32, {.original = original});
  if (s.task == "pathx") return pathfinder::load(s.data, 128, {.original = original});
  fail<UsageError>("--task: unknown task '", s.task, "'");
}

// Whether the data of a task is there, for --task all.
inline bool has_data(const std::string& task, const std::string& folder) {
  if (task == "listops") return !listops::find(folder).empty();
  if (task == "text") return !text::find(folder).empty();
  if (task == "retrieval") return !retrieval::find(folder).empty();
  if (task == "image") return !image::find(folder).empty();
  if (task == "fashion")
    return !fashion::find(folder).empty() || !fashion::find(fashion::kSystemFolder).empty();
  return !pathfinder::find(folder, task == "pathx" ? 128 : 32).empty();
}

}  // namespace skiff
