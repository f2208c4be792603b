#include "data/tasks/image.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/pickle.h"
#include "data/files/png.h"
#include "data/pixels.h"

namespace skiff::image {

namespace fs = std::filesystem;

const char* const kClassNames[kClasses] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                           "dog",      "frog",       "horse", "ship", "truck"};

namespace {

constexpr int64_t kPlane = kSide * kSide, kPixels = 3 * kPlane;  // red, green, blue
constexpr int64_t kRecord = 1 + kPixels;                         // the label, then the planes
constexpr int kBatches = 5;
constexpr int64_t kLargestBatch = int64_t(1) << 27;  // bytes: 10,000 records, as text in a pickle
constexpr const char* kNames[] = {"data_batch_1", "data_batch_2", "data_batch_3",
                                  "data_batch_4", "data_batch_5", "test_batch"};
constexpr const char* kHint =
    "the files are in cifar-10-binary.tar.gz, https://www.cs.toronto.edu/~kriz/cifar.html";

constexpr ImageSet kSet = {kSide, kClasses, kMean, kDeviation, {45000, 5000, 10000}};
const std::vector<const char*> kPlaces = {"", "cifar", "cifar10", "image"};

struct Version {
  bool python;
  const char* folder;
  const char* archive;
  const char* ending;  // of the names of its files
};
constexpr Version kVersions[] = {{false, "cifar-10-batches-bin", "cifar-10-binary.tar.gz", ".bin"},
                                 {true, "cifar-10-batches-py", "cifar-10-python.tar.gz", ""}};

struct Source {
  const Version* version = nullptr;
  bool archive = false;
  std::string path;  // "" if not found
};

Source find_source(const std::string& folder) {
  const fs::path root(folder);
  for (const Version& version : kVersions) {
    if (is_file(root) && root.filename() == version.archive) return {&version, true, folder};
  }
  for (const char* place : kPlaces) {
    const fs::path path = *place ? root / place : root;
    for (const Version& version : kVersions) {
      const std::string first = std::string("data_batch_1") + version.ending;
      for (const fs::path& batches : {path / version.folder, path}) {
        if (is_file(batches / first)) return {&version, false, batches.string()};
      }
    }
    for (const Version& version : kVersions) {
      const fs::path archive = path / version.archive;
      if (is_file(archive)) return {&version, true, archive.string()};
    }
  }
  return {};
}

using Batches = std::map<std::string, std::string>;  // by name without ending

// Reads the batches of an archive; those before the place where it is damaged are kept.
void read_archive(const Source& source, Batches& batches) {
  ArchiveReader archive(source.path);
  while (archive.next()) {
    const std::string file = fs::path(archive.name()).filename().string();
    for (const char* name : kNames) {
      if (file == std::string(name) + source.version->ending) {
        batches[name] = archive.read_all(kLargestBatch);
      }
    }
  }
}

Example to_example(int64_t label, const char* planes) {
  check<DataError>(label >= 0 && label < kClasses, "the label must be in 0..9, got ", label);
  const auto* red = reinterpret_cast<const uint8_t*>(planes);
  std::vector<uint8_t> gray;
  for (int64_t i = 0; i < kPlane; ++i) {
    gray.push_back(gray_of(red[i], red[kPlane + i], red[2 * kPlane + i]));
  }
  return {Elements(gray), {}, int32_t(label)};
}

// Appends the good records to `examples` and calls refuse(reason) for the bad ones.
template <class RefuseReason>
void scan(const Version& version, const std::string& bytes, const std::string& file,
          std::vector<Example>& examples, const RefuseReason& refuse) {
  const auto take_record = [&](int64_t number, int64_t label, const char* planes) {
    try {
      examples.push_back(to_example(label, planes));
    } catch (const DataError& error) {
      refuse("record " + std::to_string(number) + ": " + error.what());
    }
  };
  if (bytes.empty()) return refuse("the file is empty");
  if (version.python) {
    const PickledBatch batch = read_pickled_batch(bytes, file);
    if (batch.columns != kPixels || batch.rows == 0) {
      return refuse("'data' must have rows of " + std::to_string(kPixels) + " bytes, got " +
                    std::to_string(batch.rows) + " x " + std::to_string(batch.columns));
    }
    for (int64_t i = 0; i < batch.rows; ++i) {
      take_record(i + 1, batch.labels[size_t(i)], batch.data.data() + i * kPixels);
    }
    return;
  }
  const int64_t size = int64_t(bytes.size()), records = size / kRecord;
  for (int64_t i = 0; i < records; ++i) {
    const char* record = bytes.data() + i * kRecord;
    take_record(i + 1, uint8_t(record[0]), record + 1);
  }
  if (size % kRecord != 0) {
    refuse("record " + std::to_string(records + 1) + ": a record has " + std::to_string(kRecord) +
           " bytes (a label and 32 x 32 x 3 values), the file ends after " +
           std::to_string(size % kRecord));
  }
}

// The examples, before the training images are split.
struct Images {
  std::vector<Example> train, test;
};

Images read_images(const Source& source, const Refuse& refuse) {
  Images images;
  Batches batches;  // of an archive
  bool whole = true;
  if (source.archive) {
    try {
      read_archive(source, batches);
    } catch (const DataError& error) {
      refuse("train", source.path, 0, error.what());
      whole = false;
    }
  }
  const auto place = [&](const std::string& name) {
    const std::string file = name + source.version->ending;
    return source.archive ? source.path + ": " + file : (fs::path(source.path) / file).string();
  };
  const auto is_here = [&](const std::string& name) {
    return source.archive ? batches.count(name) > 0 : is_file(place(name));
  };
  const auto read = [&](const char* split, const std::string& name, std::vector<Example>& into) {
    const std::string file = place(name);
    const auto refuse_reason = [&](const std::string& reason) { refuse(split, file, 0, reason); };
    if (!is_here(name)) {
      if (whole) refuse_reason(std::string("is missing; ") + kHint);
      return;
    }
    try {
      const std::string bytes =
          source.archive ? std::move(batches[name]) : read_file(file, kLargestBatch);
      scan(*source.version, bytes, file, into, refuse_reason);
    } catch (const DataError& error) {
      refuse_reason(error.what());
    }
  };
  int last = 1;  // a part of the data may stop after a batch, but not leave one out
  for (int i = 0; i < kBatches; ++i) {
    if (is_here(kNames[i])) last = i + 1;
  }
  for (int i = 0; i < last; ++i) read("train", kNames[i], images.train);
  read("test", kNames[kBatches], images.test);
  return images;
}

TaskData read(const Source& source, Protocol protocol, const Refuse& refuse) {
  Images images = read_images(source, refuse);
  const int64_t total = int64_t(images.train.size()), val = total / 10;
  TaskData data = split_images(kSet, std::move(images.train), {total - val, val, 0}, protocol);
  data.test = std::move(images.test);
  const int64_t all = total + int64_t(data.test.size());
  if (all > 0 && all != kSet.whole_count()) {
    data.note = "a part of CIFAR-10: " + sizes_note(kSet, data, ", of ");
  }
  return data;
}

}  // namespace

std::string find(const std::string& folder) { return find_source(folder).path; }

TaskData load(const std::string& folder, const LoadOptions& options) {
  return read_task("image", [&] {
    const Source source = find_source(folder);
    check_found(source.path, "cifar-10-batches-bin, cifar-10-batches-py or their archives", folder,
                kPlaces, "", kHint);
    TaskData data =
        read(source, options.original ? Protocol::Original : Protocol::S4, throw_problem);
    const size_t images = data.train.size() + data.val.size();
    check<DataError>(images >= 10, source.path, ": at least 10 training images are needed, got ",
                     images);
    return data;
  });
}

TaskReport check_files(const std::string& folder) {
  const Source source = find_source(folder);
  if (source.path.empty()) return {};
  ReportBuilder report(source.path, kClasses);
  const TaskData data = read(source, Protocol::S4, report.refuse());
  return finish_report(std::move(report), kSet, data);
}

// ---- The task

namespace {

Example encode(std::string_view png, const std::vector<std::string>&, const DataOptions&) {
  const ColorImage image = decode_color_png(png, "the image");
  check_side(image.height, image.width, kSide);
  std::vector<uint8_t> gray;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    const uint8_t* rgb = image.pixels.data() + i;
    gray.push_back(gray_of(rgb[0], rgb[1], rgb[2]));
  }
  return {Elements(gray), {}};
}

}  // namespace

Task task() {
  return {.name = "image",
          .hint = "what a photo of 32 x 32 pixels shows, in gray (CIFAR-10)",
          .origin = "put cifar-10-binary.tar.gz or cifar-10-python.tar.gz there, as it is",
          .shape = kSet.shape(),
          .class_names = {kClassNames, kClassNames + kClasses},
          .reads = {"protocol"},
          .has_data = [](const std::string& folder) { return !find(folder).empty(); },
          .load =
              [](const DataOptions& o) {
                return load(o.folder, {.original = o.protocol == Protocol::Original});
              },
          .check_files = check_files,
          .encode = encode,
          .masked_pixel = PixelTarget::Value};
}

}  // namespace skiff::image
