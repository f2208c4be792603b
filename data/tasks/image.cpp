#include "data/tasks/image.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sstream>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/files/pickle.h"
#include "data/files/png.h"
#include "data/pixels.h"
#include "data/tasks.h"

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
  for (const char* place : {"", "cifar", "cifar10", "image"}) {
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

// Calls take(Example&&) for each good record and refuse(reason) for each bad one.
template <class Take, class Refuse>
void scan(const Version& version, const std::string& bytes, const std::string& file,
          const Take& take, const Refuse& refuse) {
  const auto take_record = [&](int64_t number, int64_t label, const char* planes) {
    try {
      take(to_example(label, planes));
    } catch (const DataError& error) {
      refuse("record " + std::to_string(number) + ": " + error.what());
    }
  };
  if (bytes.empty()) return refuse("the file is empty");
  if (version.python) {
    PickledBatch batch;
    try {
      batch = read_pickled_batch(bytes, file);
    } catch (const DataError& error) {  // names the file
      return refuse(reason_of(error, file));
    }
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

struct Images {
  std::vector<Example> train, test;
};

// Calls refuse(split, file, reason) for what is wrong.
template <class Refuse>
Images read_images(const Source& source, const Refuse& refuse) {
  Images images;
  Batches batches;  // of an archive
  bool whole = true;
  if (source.archive) {
    try {
      read_archive(source, batches);
    } catch (const DataError& error) {
      refuse("train", source.path, reason_of(error, source.path));
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
    if (!is_here(name)) {
      if (whole) refuse(split, file, std::string("is missing; ") + kHint);
      return;
    }
    std::string bytes;
    try {
      bytes = source.archive ? std::move(batches[name]) : read_file(file, kLargestBatch);
    } catch (const DataError& error) {
      return refuse(split, file, reason_of(error, file));
    }
    scan(
        *source.version, bytes, file,
        [&](Example&& example) { into.push_back(std::move(example)); },
        [&](const std::string& reason) { refuse(split, file, reason); });
  };
  int last = 1;  // a part of the data may stop after a batch, but not leave one out
  for (int i = 0; i < kBatches; ++i) {
    if (is_here(kNames[i])) last = i + 1;
  }
  for (int i = 0; i < last; ++i) read("train", kNames[i], images.train);
  read("test", kNames[kBatches], images.test);
  return images;
}

TaskData make_data(Images images, const LoadOptions& options) {
  const int64_t total = int64_t(images.train.size()), val = total / 10;
  TaskData data;
  auto parts = split_examples(std::move(images.train), {total - val, val},
                              options.original ? SplitOrder::Stored : SplitOrder::Seeded);
  data.train = std::move(parts[0]);
  data.val = std::move(parts[1]);
  data.test = std::move(images.test);
  data.classes = kClasses;
  if (options.original) {
    set_pixel_tokens(data, kSide);
  } else {
    set_image_format(data, kSide, kMean, kDeviation);
  }
  const size_t tests = data.test.size();
  if (total + int64_t(tests) > 0 && (total != 50000 || tests != 10000)) {
    std::ostringstream note;
    note << "a part of CIFAR-10: " << data.train.size() << " / " << val << " / " << tests
         << " examples, of 45000 / 5000 / 10000";
    data.note = note.str();
  }
  return data;
}

}  // namespace

std::string find(const std::string& folder) { return find_source(folder).path; }

TaskData load(const std::string& folder, const LoadOptions& options) {
  const Source source = find_source(folder);
  check<DataError>(!source.path.empty(),
                   "image: cannot find cifar-10-batches-bin, cifar-10-batches-py or their archives "
                   "in '",
                   folder, "', nor there in cifar, cifar10 or image; ", kHint);
  Images images =
      read_images(source, [](const char*, const std::string& file, const std::string& reason) {
        fail<DataError>("image: ", file, ": ", reason);
      });
  check<DataError>(images.train.size() >= 10, "image: ", source.path,
                   ": at least 10 training images are needed, got ", images.train.size());
  return make_data(std::move(images), options);
}

TaskReport check_files(const std::string& folder) {
  const Source source = find_source(folder);
  if (source.path.empty()) return {};
  ReportBuilder report(source.path, kClasses);
  Images images = read_images(
      source, [&](const char* split, const std::string& file, const std::string& reason) {
        report.add_problem(split, file, 0, reason);
      });
  return finish_report(std::move(report), make_data(std::move(images), {}), kPlane);
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
          .shape = {.features = 1,
                    .classes = kClasses,
                    .max_length = kPlane,
                    .height = kSide,
                    .width = kSide},
          .class_names = {kClassNames, kClassNames + kClasses},
          .has_data = [](const std::string& folder) { return !find(folder).empty(); },
          .load =
              [](const DataOptions& o) {
                return load(o.folder, {.original = o.protocol == Protocol::Original});
              },
          .check_files = check_files,
          .encode = encode};
}

}  // namespace skiff::image
