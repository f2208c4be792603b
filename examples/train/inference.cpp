#include "examples/train/inference.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>

#include "core/check.h"
#include "data/batch.h"
#include "data/files/binary_file.h"
#include "data/tasks.h"
#include "examples/train/config_file.h"
#include "examples/train/display.h"

namespace skiff {

Device prepare(const InferenceOptions& options) {
  if (options.threads > 0) omp_set_num_threads(int(options.threads));
  return device_named(options.device);
}

namespace {

// Where the run found its data, if that is still there.
std::string folder_of_training(const OpenedRun& run) {
  const std::string config = run.folder + "/config.toml";
  if (!std::filesystem::exists(config)) return "";
  for (const ConfigEntry& e : read_config(config))
    if (e.key == "data" && std::filesystem::exists(e.value)) return e.value;
  return "";
}

// The data with the ids of another vocabulary. Tokens that it lacks become <unk>; returns them.
std::vector<std::string> use_vocabulary(TaskData& data,
                                        const std::vector<std::string>& vocabulary) {
  std::map<std::string, uint16_t> ids;
  for (size_t id = 0; id < vocabulary.size(); ++id) ids[vocabulary[id]] = uint16_t(id);
  std::vector<std::string> unknown;
  std::vector<uint16_t> table;
  for (const std::string& token : data.vocabulary) {
    const auto found = ids.find(token);
    if (found == ids.end()) unknown.push_back(token);
    table.push_back(found == ids.end() ? uint16_t(kUnknownId) : found->second);
  }
  for (std::vector<Example>* split : {&data.train, &data.val, &data.test})
    for (Example& e : *split) e.tokens = e.tokens.mapped(table), e.second = e.second.mapped(table);
  data.vocabulary = vocabulary;
  data.vocab = int64_t(vocabulary.size());
  return unknown;
}

}  // namespace

TaskData labelled_data(OpenedRun& run, const std::string& folder, int64_t max_length) {
  if (max_length > 0) run.options.data.max_length = max_length;
  const std::string own = folder.empty() && !names_data_folder() ? folder_of_training(run) : "";
  run.options.data.folder = own.empty() ? data_folder(folder) : own;
  TaskData data = task_named(run.options.data.task).load(run.options.data);
  const ModelCard& card = run.opened.card;
  check<DataError>(data.classes == card.shape.classes, "the data in '", run.options.data.folder,
                   "' has ", data.classes, " classes, that which '", run.checkpoint,
                   "' was trained on ", card.shape.classes);
  // Ids go by the frequency of tokens, so other data gives them another order.
  if (!card.vocabulary.empty() && card.vocabulary != data.vocabulary) {
    const std::vector<std::string> unknown = use_vocabulary(data, card.vocabulary);
    if (!unknown.empty())
      data.note = std::to_string(unknown.size()) + (unknown.size() == 1 ? " token" : " tokens") +
                  " of the data, the first '" + unknown[0] + "'" +
                  ", did not occur in training and are read as <unk>";
  }
  check<DataError>(data.vocab == card.shape.vocab, "the data in '", run.options.data.folder,
                   "' has ", data.vocab, " ids, that which '", run.checkpoint, "' was trained on ",
                   card.shape.vocab);
  return data;
}

std::vector<std::string> class_names(const OpenedRun& run) {
  const Task& task = task_named(run.options.data.task);
  std::vector<std::string> names;
  for (int64_t c = 0; c < run.opened.card.shape.classes; ++c)
    names.push_back(c < int64_t(task.class_names.size()) ? task.class_names[size_t(c)]
                                                         : std::to_string(c));
  return names;
}

Prediction predict(const OpenedRun& run, const Example& example, Device device) {
  const Clock::time_point start = Clock::now();
  const int64_t first[] = {0};
  const Batch batch = make_batch(run.format, {example}, first);
  const Variable logits = run.model()(batch.input.to(device), batch.lengths.to(device));
  const std::vector<double> values = to_vector(logits.value());
  Prediction p;
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double v : values) {
    check<NumericalError>(std::isfinite(v), "the logits of this example are not finite");
    p.probabilities.push_back(std::exp(v - largest));
    sum += p.probabilities.back();
  }
  for (size_t c = 0; c < values.size(); ++c) {
    p.probabilities[c] /= sum;
    p.ranking.push_back(int64_t(c));
  }
  std::stable_sort(p.ranking.begin(), p.ranking.end(), [&](int64_t a, int64_t b) {
    return p.probabilities[size_t(a)] > p.probabilities[size_t(b)];
  });
  p.seconds = seconds_since(start);
  return p;
}

std::string read_input(const std::string& path) {
  if (path != "-") return read_file(path);
  std::string text;
  char part[1 << 16];
  for (size_t count; (count = std::fread(part, 1, sizeof part, stdin)) > 0;)
    text.append(part, count);
  check<DataError>(!std::ferror(stdin), "cannot read standard input");
  return text;
}

namespace {

NamedExample encoded(const OpenedRun& run, const Task& task, const std::string& name,
                     const std::string& input) {
  const bool png = input.starts_with("\x89PNG");
  check<DataError>(!png || task.shape.height > 0, name, ": a PNG image; the model of '",
                   run.checkpoint, "' reads text");
  const std::vector<std::string>& vocabulary = run.opened.card.vocabulary;
  NamedExample named{name, {}, 0, 0};
  try {
    named.example = task.encode(input, vocabulary, run.options.data);
  } catch (const DataError& e) {
    fail<DataError>(name, ": ", e.what());
  }
  const std::vector<uint16_t> tokens = named.example.tokens.values();
  named.tokens = int64_t(tokens.size());
  if (!vocabulary.empty()) named.unknown = std::count(tokens.begin(), tokens.end(), kUnknownId);
  return named;
}

std::vector<NamedExample> encoded_lines(const OpenedRun& run, const Task& task,
                                        const std::string& name, const std::string& input) {
  std::vector<NamedExample> examples;
  std::istringstream lines(input);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") == line.npos) continue;
    examples.push_back(encoded(run, task, name + ":" + std::to_string(number), line));
  }
  check<DataError>(!examples.empty(), name, ": there must be an example per line, got none");
  return examples;
}

}  // namespace

std::vector<NamedExample> read_examples(const OpenedRun& run,
                                        const std::vector<std::string>& files) {
  const Task& task = task_named(run.options.data.task);
  check<DataError>(
      run.has_format, "'", run.checkpoint,
      "' was made by an older program and does not hold what a new example needs, the "
      "vocabulary for one; 'train_lra --resume' with more --steps writes one that does");
  check<UsageError>(!run.format.pairs || files.size() == 2,
                    "the model compares two documents: give "
                    "two files, got ",
                    files.size());
  std::vector<NamedExample> examples;
  for (const std::string& file : files) {
    const std::string input = read_input(file), name = file == "-" ? "standard input" : file;
    if (task.separator.empty()) {
      examples.push_back(encoded(run, task, name, input));
    } else {
      const std::vector<NamedExample> lines = encoded_lines(run, task, name, input);
      examples.insert(examples.end(), lines.begin(), lines.end());
    }
  }
  if (!run.format.pairs) return examples;
  NamedExample &left = examples[0], &right = examples[1];
  left.example.second = right.example.tokens;
  left.example.cut = left.example.cut || right.example.cut;
  left.name += " and " + right.name;
  left.tokens += right.tokens;
  left.unknown += right.unknown;
  examples.pop_back();
  return examples;
}

}  // namespace skiff
