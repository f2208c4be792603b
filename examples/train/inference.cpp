#include "examples/train/inference.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "core/check.h"
#include "data/batch.h"
#include "data/files/binary_file.h"
#include "data/fingerprint.h"
#include "data/tasks.h"
#include "examples/train/config_file.h"
#include "examples/train/display.h"

namespace skiff {

Device prepare(const InferenceOptions& options) {
  if (options.threads > 0) omp_set_num_threads(int(options.threads));
  return device_named(options.device);
}

void choose_data(OpenedRun& run, const std::string& folder, int64_t max_length) {
  DataOptions& data = run.options.data;
  if (max_length > 0) data.max_length = max_length;
  // Ids go by the frequency of tokens, so other data by itself would give them another order.
  data.vocabulary = run.opened.card.vocabulary;
  data.folder = data_folder(folder);
  if (folder.empty() && named_data_folder().empty())
    if (const std::string own = data_of_training(run.folder); !own.empty()) data.folder = own;
}

TaskData labelled_data(const OpenedRun& run) {
  const ModelCard& card = run.opened.card;
  TaskData data = task_named(run.options.data.task).load(run.options.data);
  check<DataError>(data.vocab == card.shape.vocab && data.classes == card.shape.classes,
                   "the data in '", run.options.data.folder, "' is not like that which '",
                   run.checkpoint, "' was trained on; ids: ", data.vocab, ", was ",
                   card.shape.vocab, "; classes: ", data.classes, ", was ", card.shape.classes);
  return data;
}

bool is_other_data(const OpenedRun& run, const TaskData& data) {
  const PretrainOptions& seen = run.options.pretrain;
  const Metadata& metadata = run.opened.metadata;
  const auto then = metadata.find("train_data"), length = metadata.find("data.max-length");
  // A run may leave out examples of its own, and a longer limit cuts fewer.
  const bool tells = then != metadata.end() && seen.shortest == 0 && seen.longest == 0 &&
                     seen.train_examples == 0 && length != metadata.end() &&
                     length->second == value_text(run.options.data.max_length);
  return tells && then->second != fingerprint(data.train);
}

std::string note_of_other_data(const OpenedRun& run, size_t others) {
  return "the training examples in '" + run.options.data.folder + "' are not those of '" +
         run.folder + "'" +
         (others > 0 ? " and of " + std::to_string(others) + " other runs" : std::string());
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
  // The line end with which an editor closes a file. The texts of the benchmark have none.
  std::string_view text = input;
  const bool knows_ends = std::find(vocabulary.begin(), vocabulary.end(), "\n") != vocabulary.end();
  if (!knows_ends && text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
  try {
    named.example = task.encode(text, vocabulary, run.options.data);
  } catch (const DataError& e) {
    fail<DataError>(name, ": ", e.what());
  }
  const std::vector<uint16_t> tokens = named.example.tokens.values();
  named.tokens = int64_t(tokens.size());
  if (vocabulary.size() > size_t(kUnknownId) && vocabulary[kUnknownId] == "<unk>")
    named.unknown = std::count(tokens.begin(), tokens.end(), kUnknownId);
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
