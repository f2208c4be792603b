#include "data/tasks/fashion.h"

#include <filesystem>
#include <sstream>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/pixels.h"
#include "data/tasks.h"

namespace skiff::fashion {

namespace fs = std::filesystem;

const char* const kClassNames[kClasses] = {"T-shirt", "trouser", "pullover", "dress", "coat",
                                           "sandal",  "shirt",   "sneaker",  "bag",   "boot"};

namespace {

constexpr int64_t kPixels = kSide * kSide;
constexpr int64_t kImagesMagic = 2051, kLabelsMagic = 2049;
constexpr int64_t kImagesHeader = 16, kLabelsHeader = 8;  // bytes
constexpr int64_t kMostRecords = 60000;                   // of the training images
constexpr const char* kHint =
    "'apt-get install dataset-fashion-mnist' installs the files, and "
    "https://github.com/zalandoresearch/fashion-mnist has them";

struct Files {
  const char* images;
  const char* labels;
};
constexpr Files kTrain = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
constexpr Files kTest = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// The path of the file, plain or gzipped; "" if it is not there.
std::string path_of(const fs::path& folder, const char* name) {
  for (const char* ending : {"", ".gz"}) {
    const fs::path path = folder / (std::string(name) + ending);
    if (is_file(path)) return path.string();
  }
  return {};
}

int64_t big_endian(const std::string& bytes, size_t at) {
  int64_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | uint8_t(bytes[i]);
  return value;
}

// The content of an IDX file and the number of its records.
struct Idx {
  std::string path, bytes;
  int64_t count = 0;
};

Idx read_idx(const fs::path& folder, const char* name, int64_t magic, int64_t header,
             int64_t record) {
  Idx idx;
  idx.path = path_of(folder, name);
  check<DataError>(!idx.path.empty(), (folder / name).string(), ": is missing; ", kHint);
  GzipReader file(idx.path);
  idx.bytes.resize(size_t(header));
  int64_t size = int64_t(file.read(idx.bytes.data(), idx.bytes.size()));
  check<DataError>(size == header, idx.path, ": the header has ", header,
                   " bytes, the file ends after ", size);
  check<DataError>(big_endian(idx.bytes, 0) == magic, idx.path, ": the file must begin with ",
                   magic, ", got ", big_endian(idx.bytes, 0));
  idx.count = big_endian(idx.bytes, 4);
  if (header == kImagesHeader) {
    const int64_t height = big_endian(idx.bytes, 8), width = big_endian(idx.bytes, 12);
    check<DataError>(height == kSide && width == kSide, idx.path,
                     ": the images must be 28 x 28 pixels, got ", height, " x ", width);
  }
  check<DataError>(idx.count <= kMostRecords, idx.path, ": at most ", kMostRecords,
                   " records are expected, the header promises ", idx.count);
  const int64_t wanted = header + idx.count * record;
  idx.bytes.resize(size_t(wanted));
  size += int64_t(file.read(idx.bytes.data() + header, size_t(wanted - header)));
  const int64_t records = (size - header) / record;
  check<DataError>(size == wanted, idx.path, ": record ", records + 1, ": the header promises ",
                   idx.count, " records of ", record, " bytes, the file ends after ",
                   size - header - records * record, " bytes of this one");
  char more = 0;  // reading on also compares the checksum of gzip
  check<DataError>(file.read(&more, 1) == 0, idx.path, ": more bytes follow the last of ",
                   idx.count, " records");
  check<DataError>(idx.count > 0, idx.path, ": the file has a header but no records");
  return idx;
}

// Throws for a file that cannot be used, calls refuse(file, reason) for a record.
template <class Refuse>
std::vector<Example> read_images(const fs::path& folder, const Files& files, const Refuse& refuse) {
  const Idx labels = read_idx(folder, files.labels, kLabelsMagic, kLabelsHeader, 1);
  const Idx images = read_idx(folder, files.images, kImagesMagic, kImagesHeader, kPixels);
  check<DataError>(images.count == labels.count, images.path, ": has ", images.count,
                   " images for the ", labels.count, " labels of ", labels.path);
  std::vector<Example> examples;
  examples.reserve(size_t(images.count));
  for (int64_t i = 0; i < images.count; ++i) {
    const int label = uint8_t(labels.bytes[size_t(kLabelsHeader + i)]);
    if (label >= kClasses) {
      refuse(labels.path, "record " + std::to_string(i + 1) + ": the label must be in 0..9, got " +
                              std::to_string(label));
      continue;
    }
    const auto* pixels =
        reinterpret_cast<const uint8_t*>(images.bytes.data()) + kImagesHeader + i * kPixels;
    examples.push_back({Elements(std::vector<uint8_t>(pixels, pixels + kPixels)), {}, label});
  }
  return examples;
}

TaskData make_data(std::vector<Example> train, std::vector<Example> test) {
  const int64_t total = int64_t(train.size()), val = total == 60000 ? 5000 : total / 12;
  TaskData data;
  auto parts = split_examples(std::move(train), {total - val, val}, SplitOrder::Seeded);
  data.train = std::move(parts[0]);
  data.val = std::move(parts[1]);
  data.test = std::move(test);
  data.classes = kClasses;
  set_image_format(data, kSide, kMean, kDeviation);
  const size_t tests = data.test.size();
  if (total + int64_t(tests) > 0 && (total != 60000 || tests != 10000)) {
    std::ostringstream note;
    note << "a part of Fashion-MNIST: " << data.train.size() << " / " << val << " / " << tests
         << " examples, of 55000 / 5000 / 10000";
    data.note = note.str();
  }
  return data;
}

}  // namespace

std::string find(const std::string& folder) {
  return first_place(folder, {"", "fashion-mnist", "fashion_mnist", "fashion", "FashionMNIST/raw"},
                     [](const fs::path& path) { return !path_of(path, kTrain.images).empty(); });
}

TaskData load(const std::string& folder) {
  std::string place = find(folder);
  if (place.empty()) place = find(kSystemFolder);
  check<DataError>(!place.empty(), "fashion: cannot find ", kTrain.images, " or ", kTrain.images,
                   ".gz in '", folder,
                   "', nor there in fashion-mnist, fashion_mnist, fashion or FashionMNIST/raw, nor "
                   "in ",
                   kSystemFolder, "; ", kHint);
  const auto refuse = [](const std::string& file, const std::string& reason) {
    fail<DataError>(file, ": ", reason);
  };
  try {
    std::vector<Example> train = read_images(place, kTrain, refuse);
    check<DataError>(train.size() >= 12, place, ": at least 12 training images are needed, got ",
                     train.size());
    return make_data(std::move(train), read_images(place, kTest, refuse));
  } catch (const DataError& error) {
    fail<DataError>("fashion: ", error.what());
  }
}

TaskReport check_files(const std::string& folder) {
  const std::string place = find(folder);
  if (place.empty()) return {};
  ReportBuilder report(place, kClasses);
  const auto read = [&](const char* split, const Files& files) -> std::vector<Example> {
    try {
      return read_images(place, files, [&](const std::string& file, const std::string& reason) {
        report.add_problem(split, file, 0, reason);
      });
    } catch (const DataError& error) {
      report.add_problem(split, place, 0, error.what());
      return {};
    }
  };
  std::vector<Example> train = read("train", kTrain), test = read("test", kTest);
  return finish_report(std::move(report), make_data(std::move(train), std::move(test)), kPixels);
}

Task task() {
  return {.name = "fashion",
          .hint = "what garment a gray image of 28 x 28 pixels shows (Fashion-MNIST)",
          .origin =
              "Debian's package dataset-fashion-mnist has it; train_lra finds it without a "
              "folder",
          .shape = {.features = 1,
                    .classes = kClasses,
                    .max_length = kPixels,
                    .height = kSide,
                    .width = kSide},
          .class_names = {kClassNames, kClassNames + kClasses},
          .has_data =
              [](const std::string& folder) {
                return !find(folder).empty() || !find(kSystemFolder).empty();
              },
          .load = [](const DataOptions& o) { return load(o.folder); },
          .check_files = check_files,
          .encode = [](std::string_view png, const std::vector<std::string>&,
                       const DataOptions&) { return encode_gray(png, kSide); },
          .elsewhere = kSystemFolder};
}

}  // namespace skiff::fashion
