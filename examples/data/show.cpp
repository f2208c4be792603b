#include <algorithm>
#include <cstdio>

#include "core/check.h"
#include "core/options.h"
#include "data/contact_sheet.h"
#include "data/files/text_file.h"
#include "data/tasks.h"
#include "examples/data/commands.h"

namespace skiff {

namespace {

// Control characters escaped, and cut after `length` tokens.
std::string to_text(const Elements& tokens, const TaskData& data, const Task& task,
                    int64_t length) {
  std::string text;
  const int64_t n = int64_t(tokens.size());
  for (int64_t i = 0; i < n && (length == 0 || i < length); ++i) {
    if (i > 0) text += task.separator;
    const std::string& token = data.vocabulary[tokens[size_t(i)]];
    text += token == "\n" ? "\\n" : printable(token);
  }
  return length > 0 && n > length ? text + " ... and " + std::to_string(n - length) + " more"
                                  : text;
}

constexpr int64_t kMostColumns = 50;  // images in a row of the sheet

}  // namespace

int show_examples(const Show& show) {
  const std::vector<std::string> known = names_of(tasks());
  check<UsageError>(std::ranges::find(known, show.task) != known.end(), "show: unknown task '",
                    show.task, "'", suggestion(show.task, known));
  const Task& task = task_named(show.task);
  const TaskData data =
      task.load({.task = task.name, .folder = show.folder, .max_length = task.shape.max_length});
  const std::vector<Example>& examples = show.split == "train" ? data.train
                                         : show.split == "val" ? data.val
                                                               : data.test;
  check<UsageError>(data.images() || show.png.empty(), "show: ", show.task,
                    " has no images that --png could write");
  check<UsageError>(!data.images() || !show.png.empty(), "show: ", show.task,
                    " has images; --png FILE writes a sheet");
  const std::string ids = data.images() ? "" : ", " + std::to_string(data.vocab) + " ids";
  std::printf("%s: %zu %s examples, %lld classes%s%s%s\n", task.name.c_str(), examples.size(),
              show.split.c_str(), (long long)data.classes, ids.c_str(),
              data.note.empty() ? "" : "; ", data.note.c_str());
  if (data.images()) {
    std::vector<Example> shown;  // as many of each class, class by class
    int64_t columns = 1;
    for (int64_t c = 0; c < data.classes; ++c) {
      int64_t left = show.count;
      for (const Example& e : examples)
        if (e.label == c && left > 0) shown.push_back(e), --left;
      columns = std::max(columns, std::min(kMostColumns, show.count - left));
    }
    write_contact_sheet(shown, data.height, data.width, columns, show.png);
    std::printf("%zu images, class by class from 0, at most %lld in a row: %s\n", shown.size(),
                (long long)columns, show.png.c_str());
    return 0;
  }
  for (size_t i = 0; i < std::min(examples.size(), size_t(show.count)); ++i) {
    const Example& example = examples[i];
    std::printf("\nexample %zu: class %d, %zu tokens\n", i, int(example.label),
                example.tokens.size());
    std::printf("%s\n", to_text(example.tokens, data, task, show.length).c_str());
    if (!data.pairs) continue;
    std::printf("with %zu tokens\n", example.second.size());
    std::printf("%s\n", to_text(example.second, data, task, show.length).c_str());
  }
  return 0;
}

}  // namespace skiff
