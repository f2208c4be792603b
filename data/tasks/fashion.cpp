#include "data/tasks/fashion.h"

#include <filesystem>

#include "core/check.h"
#include "data/files/archive.h"
#include "data/files/binary_file.h"
#include "data/pixels.h"

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

constexpr ImageSet kSet = {kSide, kClasses, kMean, kDeviation, {55000, 5000, 10000}};
const std::vector<const char*> kPlaces = {"", "fashion-mnist", "fashion_mnist", "fashion",
                                          "FashionMNIST/raw"};

struct Files {
  const char* split;
  const char* images;
  const char* labels;
};
constexpr Files kTrain = {"train", "train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
constexpr Files kTest = {"test", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// The path of the file, plain or gzipped; "" if it is not there.
std::string path_of(const fs::path& folder, const std::string& name) {
  return first_file(folder.string(), {""}, {name.c_str(), (name + ".gz").c_str()});
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

std::vector<Example> read_images(const fs::path& folder, const Files& files, const Refuse& refuse) {
  std::vector<Example> examples;
  try {
    const Idx labels = read_idx(folder, files.labels, kLabelsMagic, kLabelsHeader, 1);
    const Idx images = read_idx(folder, files.images, kImagesMagic, kImagesHeader, kPixels);
    check<DataError>(images.count == labels.count, images.path, ": has ", images.count,
                     " images for the ", labels.count, " labels of ", labels.path);
    for (int64_t i = 0; i < images.count; ++i) {
      const int label = uint8_t(labels.bytes[size_t(kLabelsHeader + i)]);
      if (label >= kClasses) {
        refuse(files.split, labels.path, 0,
               "record " + std::to_string(i + 1) + ": the label must be in 0..9, got " +
                   std::to_string(label));
        continue;
      }
      const auto* pixels =
          reinterpret_cast<const uint8_t*>(images.bytes.data()) + kImagesHeader + i * kPixels;
      examples.push_back({Elements(std::vector<uint8_t>(pixels, pixels + kPixels)), {}, label});
    }
  } catch (const DataError& error) {
    refuse(files.split, folder.string(), 0, error.what());
  }
  return examples;
}

TaskData read(const std::string& place, const Refuse& refuse) {
  std::vector<Example> train = read_images(place, kTrain, refuse);
  const int64_t total = int64_t(train.size()), val = total / 12;
  TaskData data = split_images(kSet, std::move(train), {total - val, val, 0}, Protocol::S4);
  data.test = read_images(place, kTest, refuse);
  const int64_t all = total + int64_t(data.test.size());
  if (all > 0 && all != kSet.whole_count()) {
    data.note = "a part of Fashion-MNIST: " + sizes_note(kSet, data, ", of ");
  }
  return data;
}

}  // namespace

std::string find(const std::string& folder) {
  return first_place(folder, kPlaces,
                     [](const fs::path& path) { return !path_of(path, kTrain.images).empty(); });
}

TaskData load(const std::string& folder) {
  return read_task("fashion", [&] {
    std::string place = find(folder);
    if (place.empty()) place = find(kSystemFolder);
    check_found(place, std::string(kTrain.images) + " or " + kTrain.images + ".gz", folder, kPlaces,
                std::string("nor in ") + kSystemFolder, kHint);
    TaskData data = read(place, throw_problem);
    const size_t images = data.train.size() + data.val.size();
    check<DataError>(images >= 12, place, ": at least 12 training images are needed, got ", images);
    return data;
  });
}

TaskReport check_files(const std::string& folder) {
  const std::string place = find(folder);
  if (place.empty()) return {};
  ReportBuilder report(place, kClasses);
  const TaskData data = read(place, report.refuse());
  return finish_report(std::move(report), kSet, data);
}

Task task() {
  return {.name = "fashion",
          .hint = "what garment a gray image of 28 x 28 pixels shows (Fashion-MNIST)",
          .origin =
              "Debian's package dataset-fashion-mnist has it; train_lra finds it without a "
              "folder",
          .shape = kSet.shape(),
          .class_names = {kClassNames, kClassNames + kClasses},
          .has_data =
              [](const std::string& folder) {
                return !find(folder).empty() || !find(kSystemFolder).empty();
              },
          .load = [](const DataOptions& o) { return load(o.folder); },
          .check_files = check_files,
          .encode = [](std::string_view png, const std::vector<std::string>&,
                       const DataOptions&) { return encode_gray(png, kSide); },
          .elsewhere = kSystemFolder,
          .masked_pixel = PixelTarget::Value};
}

}  // namespace skiff::fashion
