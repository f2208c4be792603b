// What all programs have in common: --help, --version, threads, memory; and the programs golden
// and gradcheck.
#include <filesystem>

#include "core/io/safetensors.h"
#include "core/version.h"
#include "examples/program/program.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

#if !defined(__clang__)  // LLVM's OpenMP has other settings
TEST_CASE(
    "programs: waiting threads sleep after a short spin, unless the user says how they wait") {
  const Place place;
  const auto shown = [&](const std::string& environment) {
    const std::string settings =
        place.run_with(environment + " OMP_DISPLAY_ENV=VERBOSE", "explain --help").err;
    const size_t at = settings.rfind("GOMP_SPINCOUNT = ");
    REQUIRE(at != std::string::npos);
    return settings.substr(at, settings.find('\n', at) - at);
  };
  CHECK(shown("env -u GOMP_SPINCOUNT -u OMP_WAIT_POLICY") == "GOMP_SPINCOUNT = '2000'");
  CHECK(shown("env -u OMP_WAIT_POLICY GOMP_SPINCOUNT=77") == "GOMP_SPINCOUNT = '77'");
  CHECK(shown("env -u GOMP_SPINCOUNT OMP_WAIT_POLICY=PASSIVE") == "GOMP_SPINCOUNT = '0'");
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(SKIFF_CUDA)  // CUDA's libraries alone need more
TEST_CASE(
    "programs: too small an address space is one line, where OpenBLAS would never come back") {
  const Place place;
  const Outcome small =
      place.run_with("ulimit -v 150000; exec env OMP_NUM_THREADS=1", "explain --help");
  CHECK(small.code == 1);
  CHECK(small.err ==
        "error: the address space is limited to 146 MB (ulimit -v); OpenBLAS alone needs 416 MB "
        "for 1 "
        "thread\n");
  CHECK(place.run_with("ulimit -v 2000000; exec env OMP_NUM_THREADS=1", "explain --help").code ==
        0);
}
#endif

TEST_CASE("programs: --help explains itself on standard output") {
  const Place place;
  for (const char* name : {"train_lra", "evaluate", "predict", "lra_data", "gradcheck", "golden",
                           "bench", "report", "explain"}) {
    const Outcome o = place.run(std::string(name) + " --help");
    CAPTURE(name);
    CHECK(o.code == 0);
    CHECK(contains(o.out, "Example"));
    CHECK(o.err.empty());
  }
}

TEST_CASE("programs: --version prints the version of the project") {
  const Place place;
  const Outcome o = place.run("gradcheck --version");
  CHECK(o.code == 0);
  CHECK(o.out == "skiff " + std::string(kVersion) + "\n" + bits_description() + "\n");
}

TEST_CASE("golden: every reference file agrees, in float64 and float32") {
  const Place place;
  const Outcome o = place.run("golden tests/reference");
  CAPTURE(o.out);
  CHECK(o.code == 0);
  CHECK(contains(o.out, "files agree"));
}

TEST_CASE("golden: a wrong number, an unknown case and a missing tensor exit with 6") {
  const Place place;
  fs::create_directories(place / "cases");
  const auto add = [&](const std::string& name, const std::string& from, const auto& change) {
    safetensors::File file = safetensors::read("tests/reference/" + from + ".safetensors");
    change(file);
    safetensors::write(place / "cases/" + name + ".safetensors", file.tensors, file.metadata);
  };
  add("right", "tno_bi_decay_n16", [](safetensors::File&) {});
  CHECK(place.run("golden " + place / "cases").code == 0);
  const std::vector<std::string> changed = {"y", "grad.x", "grad.param.rpe.out.weight", "loss"};
  for (const std::string& tensor : changed)
    add("changed-" + tensor, "tno_bi_decay_n16", [&](safetensors::File& file) {
      for (safetensors::Entry& e : file.tensors)
        if (e.name == tensor) {
          e.tensor = e.tensor.clone();
          e.tensor.data<double>()[0] += 1e-3;
        }
    });
  add("unknown", "act_relu", [](safetensors::File& file) { file.metadata["op"] = "wavelet"; });
  add("missing", "act_relu", [](safetensors::File& file) { file.tensors.pop_back(); });
  add("extra", "act_relu", [](safetensors::File& file) {
    file.tensors.push_back({"grad.param.ghost", zeros({1}, DType::Float64)});
  });
  const Outcome o = place.run("golden " + place / "cases");
  CAPTURE(o.out);
  CHECK(o.code == 6);
  CHECK(contains(o.out, "7 of 8 files do not agree"));
  const auto row_of = [&](const std::string& name) {
    const size_t begin = o.out.find("\n" + name + " ");
    REQUIRE(begin != std::string::npos);
    return o.out.substr(begin + 1, o.out.find('\n', begin + 1) - begin);
  };
  for (const std::string& tensor : changed) {
    CAPTURE(tensor);
    CHECK(contains(row_of("changed-" + tensor), "  " + tensor + "  MISSED"));
  }
  CHECK(contains(row_of("unknown"), "unknown case: op 'wavelet'"));
  CHECK(contains(row_of("missing"), "FAILED"));
  CHECK(contains(row_of("extra"), "'grad.param.ghost' belongs to nothing"));
  CHECK(place.run("golden " + place / "cases --only missing").code == 6);
  CHECK(place.run("golden " + place / "none").code == 3);
  fs::create_directories(place / "empty");
  CHECK(place.run("golden " + place / "empty").code == 3);
  CHECK(place.run("golden").code == 2);
}

TEST_CASE(
    "gradcheck: one row per op; an unknown op is refused, and an error beyond its limit fails") {
  const Place place;
  const Outcome all = place.run("gradcheck");
  CHECK(all.code == 0);
  for (const char* op :
       {"rfft", "irfft", "hilbert", "spectral_conv", "toeplitz", "conv1d", "interpolate",
        "interpolate_adjoint", "warped_kernel", "linear_resize", "batch_norm"})
    CHECK(contains(all.out, "\n" + std::string(op) + " "));
  const Outcome unknown = place.run("gradcheck hilbrt");
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "did you mean 'hilbert'"));
  CHECK(place.run("gradcheck relu --differences -1").code == 2);
  const Outcome strict = place.run("gradcheck toeplitz --differences 1e-30");
  CHECK(strict.code == 6);
  CHECK(contains(strict.out, "FAILED"));
}

TEST_CASE("programs: a command that is printed can be pasted into a shell") {
  for (const char* plain : {"runs/a-1", "../x_y.z", "k=v,w", "\xC3\xA4"}) {
    CAPTURE(plain);
    CHECK(argument_for(plain) == plain);
  }
  CHECK(argument_for("two words") == "'two words'");
  CHECK(argument_for("a;$HOME") == "'a;$HOME'");
  CHECK(argument_for("it's") == "'it'\\''s'");
  CHECK(argument_for("") == "''");
}

TEST_CASE("programs: an option is no value of another one, and an empty value is none") {
  const TinyRun place;
  const Outcome option = place.run("train_lra --task listops --out --resume");
  CHECK(option.code == 2);
  CHECK(contains(option.err, "--out: a value must follow, got the option '--resume'"));
  const Outcome empty = place.run("train_lra --task listops --out= --print-config");
  CHECK(empty.code == 0);
  CHECK(contains(empty.out, "out=\"runs/listops-tiny-ski-1\""));
  const Outcome tool = place.run("lra_data generate listops --out= --force");
  CHECK(tool.code == 2);
  CHECK(contains(tool.err, "--out: a value must follow '='"));
  CHECK(place.run("lra_data generate listops --out --force").code == 2);
  CHECK(place.run("predict " + place / "run -- --resume").code == 3);  // no run, but no option
  CHECK(place.run_with("", "train_lra --help >/dev/full").code == 5);
}
