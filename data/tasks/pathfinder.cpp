#include "data/tasks/pathfinder.h"

#include <algorithm>
#include <sstream>

#include "core/check.h"
#include "core/random.h"
#include "data/cache.h"
#include "data/files/binary_file.h"
#include "data/files/png.h"
#include "data/pixels.h"
#include "data/tasks/pathfinder_files.h"

namespace skiff::pathfinder {

namespace {

constexpr ImageSet set_of(int64_t side) {
  return {side, kClasses, 0.5, 0.5, {160000, 20000, 20000}};
}
constexpr size_t kFewest = 10;      // images, so that each split has some
constexpr int64_t kChunk = 2048;    // images between two calls of progress
constexpr int64_t kMostNotes = 10;  // of skipped images

// What becomes of the image of one row.
struct Outcome {
  enum Kind { Read, Skipped, Wrong } kind = Read;
  std::string reason;
};

Outcome read_image(const LevelFiles& files, const Row& row, int64_t side, Example& example) {
  const std::string name = files.name_of(row.file);
  try {
    const GrayImage image = decode_png(files.read(row.file), name);
    if (image.height != side || image.width != side) {
      std::ostringstream reason;
      reason << name << ": the image must be " << side << " x " << side << " pixels, got "
             << image.height << " x " << image.width;
      return {Outcome::Wrong, reason.str()};
    }
    example = {Elements(image.pixels), {}, row.label, false, row.dashes};
    return {};
  } catch (const DataError& error) {
    return {Outcome::Skipped, error.what()};
  } catch (const std::exception& error) {  // no exception may leave a parallel loop
    return {Outcome::Wrong, name + ": " + error.what()};
  }
}

// The images of the rows, in their order. Refuses those of another size and calls skip(reason) for
// those that cannot be read. keep(example) is called in parallel.
template <class Skip, class Keep>
std::vector<Example> read_images(const LevelFiles& files, const std::vector<Row>& rows,
                                 int64_t side,
                                 const std::function<void(int64_t, int64_t)>& progress,
                                 const Refuse& refuse, const Skip& skip, const Keep& keep) {
  std::vector<Example> examples;
  examples.reserve(rows.size());
  const int64_t total = int64_t(rows.size());
  for (int64_t begin = 0; begin < total; begin += kChunk) {
    const int64_t count = std::min(kChunk, total - begin);
    std::vector<Example> chunk(static_cast<size_t>(count));
    std::vector<Outcome> outcomes(static_cast<size_t>(count));
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < count; ++i) {
      Outcome& outcome = outcomes[size_t(i)];
      outcome = read_image(files, rows[size_t(begin + i)], side, chunk[size_t(i)]);
      if (outcome.kind == Outcome::Read) keep(chunk[size_t(i)]);
    }
    for (int64_t i = 0; i < count; ++i) {
      const Outcome& outcome = outcomes[size_t(i)];
      if (outcome.kind == Outcome::Read) examples.push_back(std::move(chunk[size_t(i)]));
      if (outcome.kind == Outcome::Skipped) skip(outcome.reason);
      if (outcome.kind == Outcome::Wrong) {
        refuse("train", files.name_of(rows[size_t(begin + i)].file), 0, outcome.reason);
      }
    }
    if (progress) progress(begin + count, total);
  }
  return examples;
}

std::vector<Row> read_rows(const LevelFiles& files, const Refuse& refuse) {
  std::vector<Row> rows;
  for (const LevelFiles::Metadata& metadata : files.metadata) {
    const auto refuse_line = [&](int64_t line, const std::string& reason) {
      refuse("train", metadata.name, 0,
             line > 0 ? "line " + std::to_string(line) + ": " + reason : reason);
    };
    try {
      std::vector<Row> more = parse_metadata(metadata.bytes, metadata.name, refuse_line);
      std::move(more.begin(), more.end(), std::back_inserter(rows));
    } catch (const DataError& error) {  // no array that can be read: the other files count
      refuse("train", metadata.name, 0, error.what());
    }
  }
  return rows;
}

TaskData make_data(std::vector<Example> examples, int64_t skipped, int64_t side,
                   Protocol protocol) {
  const int64_t total = int64_t(examples.size()), tenth = total / 10;
  const ImageSet set = set_of(side);
  TaskData data =
      split_images(set, std::move(examples), {total - 2 * tenth, tenth, tenth}, protocol);
  if (total + skipped != set.whole_count() && total > 0) {
    data.note = sizes_note(set, data, ", the benchmark has ");
  }
  if (skipped > 0) {
    data.note += (data.note.empty() ? "" : "; ") + std::to_string(skipped) +
                 " unreadable images are skipped";
  }
  return data;
}

// Four numbers instead of the pixels: enough to find duplicates.
void keep_digest(Example& example) {
  const uint64_t hash = hash_name(example.tokens.bytes());
  std::vector<uint16_t> digest;
  for (int shift = 0; shift < 64; shift += 16) digest.push_back(uint16_t(hash >> shift));
  example.tokens = digest;
}

}  // namespace

std::string find(const std::string& folder, int64_t side) { return find_place(folder, side).path; }

TaskData load(const std::string& folder, int64_t side, const LoadOptions& options) {
  return read_task("pathfinder", [&] {
    const Place place = find_place(folder, side);
    const std::string set = "pathfinder" + std::to_string(side);
    check_found(place.path, set + '/' + kLevel, folder, kPlaces, "nor lra_release.gz",
                "'lra_data generate pathfinder' writes such images");
    const auto read = [&] {
      if (place.archive && options.warn) {
        options.warn("reading all of " + place.path + ", which takes minutes");
      }
      int64_t skipped = 0;
      const auto skip = [&](const std::string& reason) {
        if (++skipped <= kMostNotes && options.warn) options.warn("skipped: " + reason);
      };
      const LevelFiles files = open_level(place, side);
      std::vector<Example> examples =
          read_images(files, read_rows(files, throw_problem), side, options.progress, throw_problem,
                      skip, [](Example&) {});
      check<DataError>(examples.size() >= kFewest, place.path, ": at least ", kFewest,
                       " images are needed, got ", examples.size(), " and ", skipped,
                       " that cannot be read");
      return make_data(std::move(examples), skipped, side,
                       options.original ? Protocol::Original : Protocol::S4);
    };
    return cached(options.cache && place.archive,
                  {place.path, set, options.original ? "original" : ""}, {}, read);
  });
}

TaskReport check_files(const std::string& folder, int64_t side) {
  const Place place = find_place(folder, side);
  if (place.path.empty()) return {};
  ReportBuilder report(place.path, kClasses);
  const Refuse refuse = report.refuse();
  int64_t skipped = 0;
  const auto skip = [&](const std::string& reason) {
    if (++skipped <= kMostNotes) report.add_note("skipped: " + reason);
  };
  std::vector<Example> examples;
  try {
    const LevelFiles files = open_level(place, side);
    examples = read_images(files, read_rows(files, refuse), side, {}, refuse, skip, keep_digest);
    check<DataError>(examples.size() >= kFewest, "at least ", kFewest, " images are needed");
  } catch (const DataError& error) {
    refuse("train", place.path, 0, error.what());
  }
  return finish_report(std::move(report), set_of(side),
                       make_data(std::move(examples), skipped, side, Protocol::S4));
}

namespace {

template <int64_t side>
Task make_task(const char* name, const char* hint, const char* origin) {
  return {.name = name,
          .hint = hint,
          .origin = origin,
          .shape = set_of(side).shape(),
          .class_names = {"no path", "path"},
          .reads = {"protocol"},
          .has_data = [](const std::string& folder) { return !find(folder, side).empty(); },
          .load =
              [](const DataOptions& o) {
                return load(o.folder, side,
                            {.original = o.protocol == Protocol::Original, .warn = o.say});
              },
          .check_files = [](const std::string& folder) { return check_files(folder, side); },
          .encode = [](std::string_view png, const std::vector<std::string>&,
                       const DataOptions&) { return encode_gray(png, side); },
          .group_name =
              [](int64_t dashes) {
                return dashes == 0 ? std::string("not known") : std::to_string(dashes) + " dashes";
              },
          .groups = "level"};
}

}  // namespace

Task task_32() {
  return make_task<32>("pathfinder32",
                       "whether a dashed curve joins two discs, in 32 x 32 gray pixels",
                       "'lra_data generate pathfinder --out DIR' writes it; the original is in "
                       "lra_release.gz");
}

Task task_pathx() {
  return make_task<128>("pathx", "the same in 128 x 128 pixels (Path-X)",
                        "'lra_data generate pathfinder --size 128 --out DIR' writes it; the "
                        "original is in lra_release.gz");
}

}  // namespace skiff::pathfinder
