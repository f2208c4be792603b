// The report, explain and their helpers: numbers of the page, inputs that are missing
// or broken, names that are markup. What only a browser can tell is checked in tests/report.
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "autograd/op.h"
#include "examples/explain/worked_examples.h"
#include "examples/report/dense.h"
#include "examples/report/page.h"
#include "examples/report/pictures.h"
#include "examples/report/template.h"
#include "tests/support/programs.h"
#include "tests/support/testing.h"
#include "tests/support/text_run.h"

using namespace skiff;
using namespace skiff::report;
using namespace skiff::testing;

namespace {

struct Reports : Place {
  std::string report(const std::string& options, const std::string& name = "report.html") const {
    const Outcome o = run("report --out " + file(name) + " " + options);
    CAPTURE(o.err);
    REQUIRE(o.code == 0);
    return slurp(file(name));
  }
  // A run of a small model, in the folder `name`.
  void train(const std::string& name) const {
    if (!std::filesystem::exists(file("data"))) make_listops(file("data/listops"));
    REQUIRE(run("train_lra --data " + file("data") + " --out " + file(name) +
                " --dim 8 --layers 1 --batch-size 8 --steps 20 --max-length 32 --inducing-points 8 "
                "--eval-every 10 "
                "--log-every 4 --profile --quiet")
                .code == 0);
  }
};

nlohmann::json numbers_of(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"numbers\">";
  const size_t begin = page.find(open);
  REQUIRE(begin != std::string::npos);
  const size_t end = page.find("</script>", begin);
  return nlohmann::json::parse(page.substr(begin + open.size(), end - begin - open.size()))
      .at("numbers");
}
double number(const nlohmann::json& numbers, const std::string& name) {
  CAPTURE(name);
  REQUIRE(numbers.contains(name));
  return numbers.at(name).at("value").get<double>();
}

std::string without_tags(const std::string& markup) {
  std::string text;
  bool inside = false;
  for (const char c : markup) {
    if (c == '<') inside = true;
    if (!inside) text += c;
    if (c == '>') inside = false;
  }
  return text;
}

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++count;
  return count;
}

// What is between the quotation marks of a tag's attributes.
std::vector<std::string> quoted_in(const std::string& attributes) {
  std::vector<std::string> values;
  for (size_t open = 0; (open = attributes.find('"', open)) != std::string::npos;) {
    const size_t close = attributes.find('"', open + 1);
    values.push_back(attributes.substr(open + 1, close - open - 1));
    open = close + 1;
  }
  return values;
}

// What a reader takes a printed number for: "−3.6 × 10−15" is -3.6e-15.
double parsed(std::string text) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (size_t at; (at = text.find(from)) != std::string::npos;) text.replace(at, from.size(), to);
  };
  replace("\u2212", "-");
  replace(" \u00d7 10", "e");
  return std::stod(text);
}

const char* const kBench =
    R"({"kind":"op","name":"ski","pass":"train","n":64,"batch":1,"dim":8,"threads":1,"median_s":0.001,"q1_s":0.0009,"q3_s":0.0011,"peak_tensor_bytes":1000})"
    "\n"
    R"({"kind":"op","name":"ski","pass":"train","n":128,"batch":1,"dim":8,"threads":1,"median_s":0.0021,"q1_s":0.002,"q3_s":0.0022,"peak_tensor_bytes":2000})"
    "\n";
const char* const kMutant =
    R"({"name":"a bug <b>","op":"rfft","file":"autograd/ops/spectral/rfft.cpp","what":"a < b","report":true,"caught":true,"check":"gradcheck: adjoint","where":"even","error":0.25,"limit":1e-12,"old":"-x < y\n","new":"+x > y\n"})"
    "\n";

}  // namespace

TEST_CASE(
    "report: every number on the page is in its JSON, and back; equal inputs give equal bytes") {
  const Reports place;
  place.train("run");
  const std::string bench = place.write("bench.jsonl", kBench),
                    mutants = place.write("mutants.jsonl", kMutant);
  const std::string options =
      "--run " + place.file("run") + " --bench " + bench + " --mutants " + mutants;
  const std::string page = place.report(options);
  CHECK((page == place.report(options, "again.html")));
  const nlohmann::json numbers = numbers_of(page);
  std::map<std::string, std::string> names;  // as markup -> as they are
  for (const auto& [name, entry] : numbers.items()) names[escaped(name)] = name;
  std::set<std::string> seen;
  const std::string attribute = " data-name=\"";
  for (size_t at = 0; (at = page.find(attribute, at)) != std::string::npos; ++at) {
    // <tag data-name="NAME" value="VALUE">TEXT</tag>, in a chart data-value
    const size_t tag = page.rfind('<', at) + 1;
    const std::vector<std::string> quoted = quoted_in(page.substr(at, page.find('>', at) - at));
    REQUIRE(quoted.size() == 2);
    REQUIRE_MESSAGE(names.contains(quoted[0]), quoted[0]);
    const std::string name = names[quoted[0]];
    CAPTURE(name);
    const double value = number(numbers, name);
    const size_t begin = page.find('>', at) + 1;
    const std::string end = "</" + page.substr(tag, at - tag) + ">";
    const std::string text = without_tags(page.substr(begin, page.find(end, begin) - begin));
    CHECK(std::stod(quoted[1]) == value);
    CHECK(numbers.at(name).at("text") == text);
    CHECK(std::abs(parsed(text) - value) <=
          0.06 * std::abs(value) + 0.0501 * (text.find('e') == std::string::npos));
    seen.insert(name);
  }
  CHECK(seen.size() == numbers.size());
  CHECK(seen.size() > 300);
  CHECK(page.size() < 1500000);
  // Nothing that runs and nothing that is fetched.
  CHECK(count_of(page, "<script") == count_of(page, "<script type=\"application/json\""));
  CHECK(count_of(page, "<link") == count_of(page, "<link rel=\"icon\" href=\"data:,\""));
  for (const char* word : {"<img", "@import", "url(", "http://", "https://"}) {
    CAPTURE(word);
    CHECK(count_of(page, word) == 0);
  }
  CHECK_FALSE(contains(page, "Left out"));
  CHECK(contains(page, "a bug &lt;b&gt;"));
}

TEST_CASE("report: without inputs it says what it leaves out; its numbers are right where known") {
  const Reports place;
  const std::string page = place.report("");
  CHECK(contains(page, "No run was given"));
  CHECK(contains(page, "no measurement was given"));
  CHECK(contains(page, "No text run was given"));
  CHECK(contains(page, "no results were given"));
  CHECK((page != place.report("--seed 2", "other.html")));
  const nlohmann::json n = numbers_of(page);
  CHECK(number(n, "toeplitz.error") < 1e-13);
  CHECK(number(n, "toeplitz.error-F-2n-2") > 1e-6);
  CHECK(number(n, "toeplitz.error-F-2n-1") < 1e-13);
  CHECK(number(n, "fd.negative-energy") < 1e-28);
  CHECK(number(n, "fd.F8-released.real-part") > 0.1);
  CHECK(number(n, "fd.slope-jump") == doctest::Approx(-1).epsilon(0.25));
  CHECK(number(n, "fd.slope-kink") == doctest::Approx(-2).epsilon(0.25));
  CHECK(number(n, "ski.fused-error") < 1e-13);
  CHECK(number(n, "ski.residual.32.9") < 1e-12);
  CHECK(number(n, "ski.residual.16.5") < number(n, "ski.residual.8.5"));
  CHECK(number(n, "ski.residual.16.5") < number(n, "ski.residual.16.0"));
  CHECK(number(n, "ski.W.1.0") == doctest::Approx(5.0 / 7));
  CHECK(number(n, "ski.W-released.1.1") == doctest::Approx(-0.6735).epsilon(1e-4));
  CHECK(number(n, "ski.fall-off.image.1") ==
        doctest::Approx(7.6e-6).epsilon(0.02));  // 0.7^(32 32 / 31)
  CHECK(number(n, "errors.one-interpolation") <= number(n, "errors.one-bound"));
  CHECK(number(n, "errors.entry") <= number(n, "errors.entry-bound"));
  CHECK(number(n, "errors.curvature") == doctest::Approx(2.0 / 576).epsilon(1e-4));
  CHECK(number(n, "errors.slope") == doctest::Approx(-2).epsilon(0.1));
  CHECK(number(n, "gradients.passed") == number(n, "gradients.ops"));
  CHECK(number(n, "generation.difference") < 1e-12);
  CHECK(number(n, "generation.gain-16k") > 20);
  CHECK(number(n, "generation.states-error") < 0.05);
  CHECK(number(n, "tape.right") == 4);
  CHECK(number(n, "tape.wrong") == 6);
}

TEST_CASE("report: the text of a language model is shown with its probabilities") {
  const TextRun text;
  REQUIRE(text.train("run").code == 0);
  const Outcome o = text.run("report --out " + text / "r.html" + " --text-run " + text / "run");
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  const std::string page = slurp(text / "r.html");
  CHECK(contains(page, "<p class=\"sample\"><span class=\"p"));
  CHECK(number(numbers_of(page), "generation.tokens") == 400);
  CHECK(number(numbers_of(page), "generation.bits") > 0);
}

TEST_CASE("report: a run whose name is markup is shown as text") {
  const Reports place;
  place.train("run");
  const std::string name = "<img src=x onerror=window.pwned=1>&\"'";
  std::filesystem::rename(place.file("run"), place.file(name));
  const std::string page =
      place.report("--run \"" + place.file("<img src=x onerror=window.pwned=1>&\\\"'") + "\"");
  CHECK_FALSE(contains(page, "<img"));
  CHECK(contains(page, "&lt;img src=x onerror=window.pwned=1&gt;&amp;&quot;&#39;"));
}

TEST_CASE("report: bad inputs are one line and exit code 2 or 3") {
  const Reports place;
  const auto fails = [&](const std::string& options, int code, const std::string& part) {
    const Outcome o = place.run("report --out " + place.file("r.html") + " " + options);
    CAPTURE(options);
    CAPTURE(o.err);
    CHECK(o.code == code);
    CHECK(contains(o.err, part));
    CHECK_FALSE(std::filesystem::exists(place.file("r.html")));
  };
  fails("--rnu x", 2, "did you mean '--run'?");
  fails("--run " + place.file("none"), 3, "there is no such run folder or checkpoint");
  fails("--bench " + place.file("none"), 3, "cannot open");
  fails("--text-run " + place.file("none"), 3, place.file("none"));
  fails("--bench " + place.write("bad.jsonl", "{\"kind\":\"op\"}\n"), 3,
        "bad.jsonl:1: not a row of bench");
  fails("--bench " + place.write("empty.jsonl", ""), 3, "holds no row op/");
  std::filesystem::create_directories(place.file("runs"));
  fails("--bench " + place.file("runs"), 3, "runs'");
  const auto row = [](const std::string& name, int batch) {
    return "{\"kind\":\"op\",\"pass\":\"train\",\"name\":\"" + name +
           "\",\"n\":64,\"dim\":8,\"threads\":1,\"batch\":" + std::to_string(batch) +
           ",\"median_s\":1,\"q1_s\":1,\"q3_s\":1,\"peak_tensor_bytes\":1}\n";
  };
  fails("--bench " + place.write("relu.jsonl", row("relu", 1)), 3, "of ski, fd, tno or attention");
  fails("--bench " + place.write("two.jsonl", row("ski", 1) + row("ski", 1)), 3,
        "two.jsonl:2: ski at n = 64 is there already");
  fails("--bench " + place.write("mixed.jsonl", row("ski", 1) + row("fd", 2)), 3,
        "mixed.jsonl:2: all rows need the batch 1 and 8 channels, got 2 and 8");
  const Outcome nowhere = place.run("report --out " + place.file("no/r.html"));
  CHECK(nowhere.code == 5);
  CHECK(contains(nowhere.err, "no/r.html"));
  fails("--mutants " + place.write("m.jsonl", "nonsense\n"), 3,
        "m.jsonl:1: not the result of a mutant");
  place.train("run");
  place.train("whole");
  place.write("run/metrics.csv", "step,train_loss\n");
  fails("--run " + place.file("run"), 3, "metrics.csv: holds no rows");
  place.write("run/metrics.csv", "step,train_loss\n1,2\n");
  fails("--run " + place.file("run"), 3, "metrics.csv: has no column 'train_accuracy'");
  place.write("run/metrics.csv", "step,train_loss,train_accuracy,val_loss,val_accuracy\n1,2,x,,\n");
  fails("--run " + place.file("run"), 3, "metrics.csv: row 1: column 'train_accuracy' must hold");
  place.write("run/metrics.csv", "step,epoch\n1\n");
  fails("--run " + place.file("run"), 3, "metrics.csv:2: 2 columns are needed, got 1");
  place.write("run/best.safetensors", "no weights");
  fails("--run " + place.file("run"), 3, "best.safetensors");
  std::filesystem::remove(place.file("run/best.safetensors"));
  fails("--run " + place.file("run"), 3, "holds no best.safetensors, which the first");
  std::filesystem::rename(place.file("whole"), place.file("runs/one"));
  fails("--run " + place.file("runs"), 3, "is a folder of runs: name one of them, such as '");
}

TEST_CASE("explain: every op in 80 columns, with derivation, example and checks") {
  const Reports place;
  std::istringstream families(place.run("explain").out);
  std::vector<std::string> ops;
  for (std::string line; std::getline(families, line);) {
    CHECK(line.size() <= 80);
    std::istringstream words(line);
    std::string word;
    if (line[0] != ' ') words >> word;  // the family
    while (words >> word) ops.push_back(word);
  }
  CHECK(ops.size() >= 43);
  std::string all;
  for (const std::string& op : ops) all += " " + op;
  const Outcome explained = place.run("explain" + all);
  CHECK(explained.code == 0);
  std::istringstream lines(explained.out);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
  }
  size_t begin = 0;
  for (size_t i = 0; i < ops.size(); ++i) {
    CAPTURE(ops[i]);
    CHECK(explained.out.compare(begin, ops[i].size() + 16, ops[i] + "   autograd/ops/") == 0);
    const std::string next = i + 1 < ops.size() ? "\n\n\n" + ops[i + 1] + "   " : "";
    const size_t end = next.empty() ? explained.out.size() : explained.out.find(next, begin);
    REQUIRE(end != std::string::npos);
    const std::string text = explained.out.substr(begin, end - begin);
    for (const char* part : {"FOUR NUMBERS", "central differences", "CHECKS", "passed"})
      CHECK(contains(text, part));
    begin = end + 3;
  }
  const std::string matrix = place.run("explain toeplitz --n 3").out;
  CHECK(contains(matrix,
                 "       0      -1      -2\n       1       0      -1\n       2       1       0\n"));
  CHECK(contains(matrix, "THE FORMULA AS CODE"));
  const std::string hilbert = place.run("explain hilbert --n 3").out;
  CHECK(contains(hilbert,
                 "       1       0       0\n       0       0       0\n"
                 "       0       1       0\n    -0.5       0     0.5\n"
                 "       0       0       1\n       0       0       0\n"));
  const Outcome wide = place.run("explain irfft --n 10");  // complex numbers are two columns each
  CHECK(wide.code == 2);
  CHECK(contains(wide.err, "--n: the matrix of 'irfft' for 10 has "));
  std::istringstream rows(place.run("explain hilbert --n 10").out);
  bool in_matrix = false;
  int count = 0;
  for (std::string row; std::getline(rows, row);) {
    CHECK(row.size() <= 80);
    if (row.starts_with("  backward multiplies")) in_matrix = false;
    if (in_matrix && !row.starts_with("  a complex number")) {
      std::istringstream words(row);
      CHECK(std::distance(std::istream_iterator<std::string>(words), {}) ==
            10);  // none touches another
      ++count;
    }
    in_matrix = in_matrix || row.starts_with("MATRIX");
  }
  CHECK(count == 20);
  CHECK(place.run("explain relu --n 3").code == 2);
  CHECK(place.run("explain interpolate --n 1").code == 2);
  CHECK(place.run("explain hilbert sofmax").out.empty());  // a wrong name costs no answer
  CHECK(place.run("explain hilbert relu --n 3").out.empty());
  const Outcome o = place.run("explain sofmax");
  CHECK(o.code == 2);
  CHECK(o.err == "error: unknown op 'sofmax'; did you mean 'softmax'?\n");
}

TEST_CASE("explain: backward and central differences of every worked example agree") {
  std::set<std::string> explained;
  for (const WorkedExample& e : worked_examples()) {
    CAPTURE(e.op);
    explained.insert(e.op);
    const WorkedResult r = work_out(e);
    for (size_t i = 0; i < r.grads.size(); ++i)
      if (r.grads[i]) CHECK(distance(r.grads[i], r.differences[i]) < 1e-8);
  }
  for (const OpEntry& op : op_table())
    if (op.name != "probe") CHECK_MESSAGE(explained.contains(op.name), op.name);  // of the tests
}

TEST_CASE("explain: backward of every op with a matrix multiplies by its transpose") {
  std::set<std::string> with_matrix;
  for (const WorkedExample& e : worked_examples()) {
    if (!e.matrix) continue;
    with_matrix.insert(e.op);
    for (const int64_t n : {1, 2, 3, 6, 9}) {
      if (e.op == "interpolate" && n == 1) continue;  // needs two
      CAPTURE(e.op);
      CAPTURE(n);
      const OpMatrix M = e.matrix(n);
      CHECK(M.forward.shape() == M.backward.shape());
      CHECK(distance(M.backward, to_vector(M.forward)) < 1e-14);
    }
  }
  for (const char* op : {"toeplitz", "conv1d", "interpolate", "ski", "rfft", "irfft", "hilbert"})
    CHECK_MESSAGE(with_matrix.contains(op), op);
}

TEST_CASE("page: text is never markup, numbers are set as one prints them") {
  CHECK(escaped("<a href='x'>&\"\x01") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\xEF\xBF\xBD");
  CHECK(typeset("-1.5").text == "\u22121.5");
  CHECK(typeset("3.6e-15").text == "3.6 \u00d7 10\u221215");
  CHECK(typeset("3.6e-15").markup == "3.6 \u00d7 10<sup>\u221215</sup>");
  CHECK(typeset("0e+00").text == "0");
  Page page;
  page.number("one", 1.25, "%.2f");
  CHECK(contains(message_of([&] { page.number("one", 2); }), "exists twice"));
  CHECK(contains(message_of([&] { page.number("two", NAN); }), "is not finite"));
  CHECK(page.again("one") == "<data data-name=\"one\" value=\"1.25\">1.25</data>");
  // A name from outside cannot end the block of JSON.
  page.number("</script>", 3, "%.0f");
  CHECK(contains(page.json(), "\\u003c/script>"));
  CHECK_FALSE(contains(page.json(), "</script>"));
}

TEST_CASE("template: placeholders, figures with their words, templates in templates") {
  const auto filled = [](const std::string& text) {
    return fill(text, [](const std::string& name) { return "[" + name + "]"; });
  };
  CHECK(filled("a {{b}} c {{d.e}}{{f}}") == "a [b] c [d.e][f]");
  CHECK(filled("{{figure x: for {{label}} and {{b}}}}.") ==
        "<div role=\"img\" aria-label=\"for [label] and [b]\">\n[x]</div>\n[x legend].");
  CHECK(contains(filled("{{include cost_none.html}}"), "no measurement was given"));
  CHECK(contains(message_of([&] { filled("{{include none.html}}"); }), "no template 'none.html'"));
  CHECK(contains(message_of([&] { filled("a {{b"); }), "does not close '{{b'"));
  CHECK(contains(message_of([&] { filled("{{figure x}}"); }), "a figure needs words"));
  CHECK(contains(message_of([] { Page().render("cost_results.html"); }),
                 "'cost_results.html' shows 'cost.batch', which has no value"));
}

TEST_CASE("report: the ten operators come first, and every op has an anchor") {
  const Reports place;
  const std::string page = place.report("");
  for (const OpEntry& op : op_table())
    if (op.name != "probe")  // of the tests
      CHECK_MESSAGE(count_of(page, "id=\"op-" + op.name + "\"") == 1, op.name);
  const size_t rest = page.find("All other ops");
  REQUIRE(rest != std::string::npos);
  for (const char* op : {"toeplitz", "rfft", "irfft", "hilbert", "spectral_conv", "conv1d",
                         "interpolate", "ski", "warped_kernel", "linear_resize", "powers"}) {
    CAPTURE(op);
    CHECK(page.find(std::string("id=\"op-") + op + "\"") < rest);
    CHECK(contains(page, std::string("href=\"#op-") + op + "\""));
  }
  CHECK(page.find("id=\"op-relu\"") > rest);
  CHECK(page.find("id=\"network\"") < page.find("id=\"toeplitz\""));
}

TEST_CASE("report: --pictures writes small files that the documentation shows") {
  const Reports place;
  const Outcome o = place.run("report --pictures " + place.file(""));
  CAPTURE(o.err);
  REQUIRE(o.code == 0);
  for (const Picture& p : pictures()) {
    CAPTURE(p.name);
    const std::string svg = slurp(place.file(p.name + ".svg"));
    CHECK(svg.starts_with("<svg"));
    CHECK(svg.size() < 20000);
    CHECK(contains(svg, "<title>"));
    CHECK_FALSE(contains(svg, "nan"));
    CHECK(contains(slurp("autograd/README.md"), "../examples/pictures/" + p.name + ".svg"));
    CHECK(std::filesystem::exists("examples/pictures/" + p.name + ".svg"));
  }
}

TEST_CASE("dense: singular values, norms and effective rank of known matrices") {
  Matrix d(3, 3);
  d(0, 0) = 3, d(1, 1) = -5, d(2, 2) = 1;
  const std::vector<double> sigma = singular_values(d);
  CHECK(distance(sigma, {5, 3, 1}) < 1e-14);
  CHECK(spectral_norm(d) == doctest::Approx(5).epsilon(1e-12));
  const Matrix a = matrix_of(7, [](const Variable& x) {
    return conv1d(x, values({0.5, 2, -1}, {3, 1}), Direction::Bidirectional);
  });
  const std::vector<double> s = singular_values(a);
  CHECK(spectral_norm(a) == doctest::Approx(s[0]).epsilon(1e-4));
  double frobenius = 0, sum = 0;
  for (const double v : a.at) frobenius += v * v;
  for (const double v : s) sum += v * v;
  CHECK(sum == doctest::Approx(frobenius).epsilon(1e-13));
  CHECK(effective_rank({1, 1, 1, 1}) == doctest::Approx(4));
  CHECK(effective_rank({1, 0, 0}) == doctest::Approx(1));
  CHECK(a(0, 0) == 2);
  CHECK(a(0, 1) == -1);  // tap q reads position i + q - 1
  CHECK(a(1, 0) == 0.5);
}
