#include "data/tasks.h"

#include "data/tasks/fashion.h"
#include "data/tasks/image.h"
#include "data/tasks/listops.h"
#include "data/tasks/pathfinder.h"
#include "data/tasks/retrieval.h"
#include "data/tasks/text.h"

namespace skiff {

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = {
      listops::task(), text::task(),          retrieval::task(),
      image::task(),   pathfinder::task_32(), pathfinder::task_pathx(),
      fashion::task(),
  };
  return all;
}

const Task& task_named(const std::string& name) { return find_named(tasks(), name, "task"); }

}  // namespace skiff
