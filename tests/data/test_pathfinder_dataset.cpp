// The files of the Pathfinder generator against the loader.
#include "data/pathfinder/dataset.h"

#include "core/check.h"
#include "data/files/binary_file.h"
#include "data/tasks/pathfinder.h"
#include "data/tasks/pathfinder_files.h"
#include "tests/support/folder.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::pathfinder;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {
PathfinderSettings easy() { return pathfinder_settings(32, 6); }
}  // namespace

TEST_CASE("pathfinder generator: what is written is what the loader reads") {
  const PathfinderSettings settings = pathfinder_settings(32);
  const PathfinderGenerator generator(settings);
  for (const bool numpy : {false, true}) {
    const Folder folder;
    int64_t last = 0;
    const PathfinderWritten written = generate_dataset(folder.name(), {settings}, 9, 25, 10,
                                                       [&](int64_t done, int64_t total) {
                                                         CHECK(total == 25);
                                                         CHECK(done > last);
                                                         last = done;
                                                       },
                                                       {.numpy_metadata = numpy});
    CHECK(last == 25);
    CHECK(written.images == 25);
    CHECK(written.attempts >= 25);
    const fs::path level = folder.path / "pathfinder32" / "curv_contour_length_14";
    CHECK(written.folder == level.string());
    CHECK(std::distance(fs::directory_iterator(level / "metadata"), {}) == 3);
    CHECK(std::distance(fs::directory_iterator(level / "imgs" / "2"), {}) == 5);

    int64_t positives = 0;
    for (int64_t batch = 0; batch < 3; ++batch) {
      const std::string file = (level / "metadata" / (std::to_string(batch) + ".npy")).string();
      const std::vector<Row> rows = parse_metadata(
          read_file(file), file,
          [](int64_t line, const std::string& reason) { FAIL("line " << line << ": " << reason); });
      REQUIRE(int64_t(rows.size()) == (batch < 2 ? 10 : 5));
      for (size_t i = 0; i < rows.size(); ++i) {
        const PathfinderImage image = generator.generate(9, batch * 10 + int64_t(i));
        CHECK(rows[i].label == image.label);
        CHECK(int64_t(rows[i].dashes) == generator.settings().contour_length);
        CHECK(read_png((level / rows[i].file).string()).pixels == image.image.pixels);
        positives += image.label;
      }
    }
    CHECK(written.positives == positives);
    const TaskData data = load(folder.name(), 32);
    CHECK(data.train.size() == 21);
    CHECK(data.val.size() == 2);
    CHECK(check_files(folder.name(), 32).usable());
  }
}

TEST_CASE("pathfinder generator: several levels take turns in one folder") {
  auto none = pathfinder_settings(32, 3);
  none.distractors = 0;
  const std::vector<PathfinderSettings> levels = {pathfinder_settings(32, 6), none, easy()};
  const Folder folder;
  const PathfinderWritten written = generate_dataset(folder.name(), levels, 5, 12, 5);
  CHECK(written.images == 12);
  CHECK(written.folder == (folder.path / "pathfinder32" / "curv_mixed").string());
  for (int64_t i = 0; i < 12; ++i) {  // batches of five, five and two
    const PathfinderSettings& own = levels[size_t(i % 3)];
    const PathfinderImage image = generate_image(own, 5, i);
    const std::string batch = std::to_string(i / 5),
                      name = "sample_" + std::to_string(i % 5) + ".png";
    CAPTURE(i);
    CHECK(read_png(written.folder + "/imgs/" + batch + '/' + name).pixels == image.image.pixels);
    std::string row;
    for (const std::string& field : metadata_row(own, image, i / 5, i % 5))
      row += (row.empty() ? "" : " ") + field;
    CHECK(contains(read_file(written.folder + "/metadata/" + batch + ".npy"), row + '\n'));
  }
  const TaskData mixed = load(written.folder, 32);
  CHECK(mixed.train.size() == 10);
  int64_t of_three_dashes = 0;
  for (const auto* examples : {&mixed.train, &mixed.val, &mixed.test})
    for (const Example& example : *examples) {
      of_three_dashes += example.group == 3;
      CHECK((example.group == 3 || example.group == 6));
    }
  CHECK(of_three_dashes == 4);
  CHECK(level_name(std::vector{none, none}) == "curv_contour_length_3");
  CHECK(contains(message_of([&] {
                   generate_dataset(folder.name(), {none, pathfinder_settings(64)}, 1, 2, 2);
                 }),
                 "the levels of one folder must have one size, got 32 and 64"));
  CHECK_THROWS_AS(generate_dataset(folder.name(), std::vector<PathfinderSettings>{}, 1, 2, 2),
                  UsageError);
  CHECK_THROWS_AS(generate_images(std::vector<PathfinderGenerator>{}, 1, 0, 2), UsageError);
}

TEST_CASE("pathfinder generator: a folder tells where curves begin, and what was drawn") {
  PathfinderSettings settings = pathfinder_settings(32, 9);
  for (const bool fair : {false, true}) {
    settings.fair_places = fair;
    const Folder folder;
    const PathfinderWritten written = generate_dataset(folder.name(), {settings}, 5, 20, 8);
    int64_t distractors = 0;
    for (int64_t i = 0; i < 20; ++i) distractors += generate_image(settings, 5, i).distractors;
    CHECK(written.distractors == distractors);
    char mean[20];
    std::snprintf(mean, sizeof mean, "%.3f", double(distractors) / 20);
    const std::string text = read_file(written.folder + "/settings.txt");
    CAPTURE(text);
    CHECK(contains(text, "20 images of 32 pixels per side, seed 5\n"));
    CHECK(contains(text, "two curves of 9 dashes, up to 6 distractors of 3; a curve begins "));
    CHECK(contains(text, "wherever there is room (--fair-places)") == fair);
    CHECK(contains(text, "where the authors' program begins it") == !fair);
    CHECK(contains(text, " attempts and " + std::string(mean) + " distractors per image\n"));
  }
}

TEST_CASE("pathfinder generator: the metadata has the eleven columns of the archive") {
  PathfinderImage image;
  image.label = 1;
  image.margin = 3;
  using Row11 = std::vector<std::string>;
  CHECK(metadata_row(pathfinder_settings(128), image, 4, 17) ==
        Row11{"imgs/4", "sample_17.png", "17", "1", "1.8", "14", "4", "5", "1.5", "3", "1"});
  image.margin = 1;
  CHECK(metadata_row(pathfinder_settings(32, 6), image, 0, 0) ==
        Row11{"imgs/0", "sample_0.png", "0", "1", "1.0", "6", "2", "2", "0.5", "1", "1"});
  CHECK(level_name({pathfinder_settings(32, 6)}) == "curv_baseline");
  CHECK(level_name({pathfinder_settings(32, 9)}) == "curv_contour_length_9");

  const Folder folder;
  const PathfinderWritten written = generate_dataset(folder.name(), {easy()}, 1, 2, 5);
  const std::string text = read_file(written.folder + "/metadata/0.npy");
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  CHECK(std::count(text.begin(), text.end(), ' ') == 20);
  CHECK(text.starts_with("imgs/0 sample_0.png 0 "));
}

TEST_CASE("pathfinder generator: images that are there are kept unless overwriting is asked for") {
  const Folder folder;
  const std::string kept = folder.write("pathfinder32/curv_baseline/metadata/7.npy", "mine");
  fs::create_directories(folder.path / "pathfinder32/curv_baseline/imgs");
  const std::string message =
      message_of([&] { generate_dataset(folder.name(), {easy()}, 1, 3, 2); });
  CHECK(contains(message, "curv_baseline/metadata' is there already; give --force to replace it"));
  CHECK(read_file(kept) == "mine");
  const PathfinderWritten written =
      generate_dataset(folder.name(), {easy()}, 1, 3, 2, {}, {.overwrite = true});
  CHECK_FALSE(fs::exists(kept));
  CHECK(written.images == 3);
  CHECK_THROWS_AS(generate_dataset(folder.name(), {easy()}, 1, 3, 2), UsageError);
  generate_dataset(folder.name(), {pathfinder_settings(32, 9)}, 1, 1, 2);  // another level
}

TEST_CASE("pathfinder generator: two programs do not write one level at a time") {
  const Folder folder;
  fs::create_directories(folder.path / "pathfinder32/curv_baseline");
  {
    const FolderLock lock(folder.file("pathfinder32/curv_baseline"));
    CHECK_THROWS_WITH_AS(generate_dataset(folder.name(), {easy()}, 1, 3, 2),
                         doctest::Contains("another program writes to"), UsageError);
    generate_dataset(folder.name(), {pathfinder_settings(32, 9)}, 1, 1, 2);  // another level
  }
  generate_dataset(folder.name(), {easy()}, 1, 3, 2);
}

TEST_CASE("pathfinder generator: a batch without all its images has no metadata") {
  const Folder folder;
  CHECK_THROWS_AS(generate_dataset(folder.name(), {easy()}, 1, 6, 2,
                                   [](int64_t done, int64_t) {
                                     if (done == 4) throw Error("stop");
                                   }),
                  Error);
  const fs::path level = folder.path / "pathfinder32" / "curv_baseline";
  CHECK(fs::exists(level / "metadata" / "0.npy"));
  CHECK_FALSE(fs::exists(level / "metadata" / "1.npy"));
  CHECK(fs::exists(level / "imgs" / "1" / "sample_1.png"));
}

TEST_CASE("pathfinder generator: bad counts and folders are refused") {
  const Folder folder;
  const std::string file = folder.write("file", "");
  CHECK_THROWS_AS(generate_dataset(file, {easy()}, 1, 2, 2), IoError);
  CHECK_THROWS_AS(generate_dataset(folder.name(), {easy()}, 1, 0, 2), UsageError);
  CHECK_THROWS_AS(generate_dataset(folder.name(), {easy()}, 1, 2, 0), UsageError);
  CHECK(contains(message_of([&] { generate_dataset(folder.name(), {easy()}, 1, -3, 2); }),
                 "the number of images must be in 1..100000000, got -3"));
  PathfinderSettings settings = easy();
  settings.padding = 0;
  CHECK_THROWS_AS(generate_dataset(folder.name(), {settings}, 1, 2, 2), UsageError);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);  // nothing was made
}
