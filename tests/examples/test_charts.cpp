// Charts: well-formed SVG with the words and numbers it was given, whatever they are.
#include "examples/charts/charts.h"

#include "examples/charts/ticks.h"
#include "examples/train/metrics.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::charts;
using namespace skiff::testing;

namespace {

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++count;
  return count;
}

// Every element is closed in its order.
bool well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = 0; (at = svg.find('<', at)) != std::string::npos;) {
    const size_t end = svg.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = svg.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.starts_with("/")) {
      if (open.empty() || "/" + open.back() != tag) return false;
      open.pop_back();
    } else if (!tag.ends_with("/")) {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty();
}

std::vector<std::string> texts_of(const std::vector<Tick>& all) {
  std::vector<std::string> texts;
  for (const Tick& t : all) texts.push_back(t.text);
  return texts;
}

}  // namespace

TEST_CASE("charts: round numbers on linear and logarithmic axes") {
  using Texts = std::vector<std::string>;
  CHECK(texts_of(ticks({-0.5, 1, 0, 100}, 3)) == Texts{"\u22120.5", "0", "0.5", "1"});
  CHECK(texts_of(ticks({0, 20000, 0, 100}, 4)) == Texts{"0", "5000", "10,000", "15,000", "20,000"});
  CHECK(texts_of(ticks({2.9364, 2.9378, 0, 100}, 3)) == Texts{"2.9365", "2.937", "2.9375"});
  CHECK(texts_of(ticks({-2e6, 0, 0, 100}, 2)) == Texts{"\u22122e+06", "\u22121e+06", "0"});
  CHECK(texts_of(ticks({600, 1000, 0, 100, true}, 4, /*octaves=*/true)) ==
        Texts{"600", "700", "800", "900", "1000"});
  CHECK(ticks({2.1, 4.7, 0, 100, true}, 6).size() >= 2);
  CHECK(texts_of(ticks({1e-6, 1e-3, 0, 100, true}, 6)) == Texts{"10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"});
  CHECK(texts_of(ticks({1.5, 30, 0, 100, true}, 6)) == Texts{"2", "5", "10", "20"});
  CHECK(texts_of(ticks({512, 4096, 0, 100, true}, 6, true)) ==
        Texts{"512", "1024", "2048", "4096"});
  const Axis axis{1, 100, 0, 50, true};
  CHECK(axis.at(10) == doctest::Approx(25));
}

TEST_CASE("charts: a file of its own has a legend, gaps for NaN, and no number that is not one") {
  const Series line{"a < b", {1, 2, 3, 4}, {1, NAN, 3, INFINITY}};
  const std::string svg = file(
      "curves & more",
      {{.title = "loss", .x_label = "step", .series = {line}},
       {.title = "one point", .series = {{.name = "dot", .x = {3}, .y = {0.5}}}, .percent = true}});
  CAPTURE(svg);
  CHECK(svg.starts_with("<svg xmlns"));
  CHECK(well_formed(svg));
  CHECK(contains(svg, "<title>curves &amp; more</title>"));
  CHECK(contains(svg, "a &lt; b"));
  CHECK(contains(svg, "50 %"));
  CHECK_FALSE(contains(svg, "nan"));
  CHECK_FALSE(contains(svg, "inf"));
  CHECK_FALSE(contains(svg, "var(--"));
  CHECK(contains(svg, "prefers-color-scheme:dark"));
  CHECK(contains(svg, "svg text{font:"));
}

TEST_CASE("charts: a long title begins further left, and one that is too long loses its middle") {
  const auto title_of = [](const std::string& title) {
    const std::string svg = charts::svg(Chart{.title = title, .series = {{"s", {1, 2}, {1, 2}}}});
    const size_t at = svg.find("class=\"b\"");
    const size_t from = svg.rfind("<text", at), begin = svg.find('>', at) + 1;
    return std::pair(std::stod(svg.substr(svg.find(" x=\"", from) + 4)),
                     svg.substr(begin, svg.find('<', begin) - begin));
  };
  CHECK(title_of("short: loss") == std::pair(56.0, std::string("short: loss")));
  const std::string longer = "50000 text files in 4 folders, attention: loss";
  CHECK(title_of(longer).second == longer);
  CHECK(title_of(longer).first < 56);
  CHECK(title_of(longer).first >= 2);
  const auto [x, cut] = title_of("Straßenäußerungen der größten Bücher aller Zeiten, ski: loss");
  CHECK(x >= 2);
  CHECK(cut == "Straßenäußerungen der gr…aller Zeiten, ski: loss");
}

TEST_CASE("charts: names at the ends of lines keep their order, guides are named inside") {
  Chart c{.log_x = true, .log_y = true, .growth = true, .names_at_ends = true, .width = 560};
  const std::vector<double> n = {512, 1024, 2048};
  for (int i = 0; i < 4; ++i) {
    const double factor = 1 + 0.01 * i;  // so near that their names would overlap
    c.series.push_back({"line" + std::to_string(i), n, {factor, 2 * factor, 4 * factor}, i});
  }
  c.series.push_back({"short", {512, 1024}, {1, 4}, 4});
  const std::string svg = file("times", {c});
  CAPTURE(svg);
  CHECK(well_formed(svg));
  const auto y_of = [&](const std::string& name) {
    const size_t tag = svg.rfind("<text", svg.find(">" + name + "<"));
    const size_t y = svg.find(" y=\"", tag) + 4;
    return std::stod(svg.substr(y, svg.find('"', y) - y));
  };
  for (int i = 0; i < 3; ++i)
    CHECK(y_of("line" + std::to_string(i)) >= y_of("line" + std::to_string(i + 1)) + 15.9);
  for (const char* name : {">n<", ">n log n<", ">n²<", ">short<"}) CHECK(contains(svg, name));
}

TEST_CASE("charts: the name of a guide keeps clear of the lines") {
  // The second line ends where the guide of n^2 leaves the chart.
  const std::vector<double> n = {512, 16384};
  const Chart c{
      .series = {{"high", n, {1, 70}, 0}, {"low", n, {0.13, 5.2}, 1}, {"copy", n, {0.03, 2}, 2}},
      .log_x = true,
      .log_y = true,
      .growth = true,
      .names_at_ends = true,
      .width = 560,
      .height = 420};
  const std::string svg = file("times", {c});
  CAPTURE(svg);
  const auto numbers_after = [&](const std::string& start, size_t from) {
    std::string text = svg.substr(svg.find(start, from) + start.size());
    text = text.substr(0, text.find("/>"));
    for (char& letter : text)
      if (letter != '.' && letter != '-' && !std::isdigit(uint8_t(letter))) letter = ' ';
    std::istringstream in(text);
    std::vector<double> numbers;
    for (double number; in >> number;) numbers.push_back(number);
    return numbers;
  };
  for (const std::string name : {"n", "n log n", "n²"}) {
    CAPTURE(name);
    const size_t tag = svg.rfind("<text", svg.find(">" + name + "<"));
    REQUIRE(tag != std::string::npos);
    const std::vector<double> place = numbers_after("halo", tag);  // left end and baseline
    for (const char* color : {"c0", "c1", "c2"}) {
      const std::vector<double> p = numbers_after(std::string("\"s ") + color + "\" d=", 0);
      REQUIRE(p.size() == 4);
      for (const double x : {place[0], place[0] + 7}) {
        const double line = p[1] + (p[3] - p[1]) * (x - p[0]) / (p[2] - p[0]);
        CHECK((line > place[1] + 2 || line < place[1] - 9));
      }
    }
  }
}

TEST_CASE("charts: a heat map draws cells of one colour together, the middle tone not at all") {
  const std::string drawn = svg(HeatMap{.rows = 2, .columns = 3, .values = {0, 1, 1, -1, 0, 0}});
  CHECK(well_formed(drawn));
  CHECK(contains(drawn, "class=\"q14\" d=\"M1 0h2v1H1\""));
  CHECK(contains(drawn, "class=\"q0\" d=\"M0 1h1v1H0\""));
  CHECK_FALSE(contains(drawn, "<path class=\"q7\""));
}

TEST_CASE("charts: a confusion matrix names its classes and shows every count") {
  const std::string drawn =
      confusion_matrix_svg({{17, 3}, {0, 29}}, {"<cat>", "dog"}, "predictions");
  CAPTURE(drawn);
  CHECK(well_formed(drawn));
  CHECK(count_of(drawn, "&lt;cat&gt;") == 2);
  for (const char* count : {">17<", ">3<", ">0<", ">29<"}) CHECK(contains(drawn, count));
  CHECK(contains(drawn, "fill-opacity=\"0.75\""));  // of a whole row
  CHECK(contains(message_of([] {
                   confusion_matrix_svg({{1}}, {"a", "b"}, "");
                 }),
                 "2 classes need as many rows, got 1"));
  CHECK(contains(message_of([] {
                   confusion_matrix_svg({{1}, {2}}, {"a", "b"}, "");
                 }),
                 "row 0 must have 2 counts, got 1"));
}

TEST_CASE("charts: labels of bubbles keep clear of all bubbles") {
  const std::string drawn = bubbles_svg(
      "accuracy", "speed",
      {{"listops", 10, 0.4, 5, 0}, {"listops", 12, 0.41, 50, 1}, {"text", 11, 0.42, 1, 0}},
      {"tno", "ski"});
  CHECK(well_formed(drawn));
  CHECK(count_of(drawn, ">listops<") == 1);
  CHECK(count_of(drawn, "<circle") == 5);
}

TEST_CASE("curves: validations are joined, though most rows have none; the legend stays inside") {
  MetricsRows rows;
  for (int64_t step = 1; step <= 9; ++step) {
    MetricsRow row;
    row.step = step;
    row.train_loss = 1 / double(step);
    row.train_accuracy = 0.5;
    row.val_loss = row.val_accuracy = step % 3 == 0 ? 0.4 : NAN;
    rows.push_back(row);
  }
  const std::string svg = curves_svg(rows, "listops, ski", {.accuracy = 0.1});
  CHECK(well_formed(svg));
  // Of the lines of colour 1, the two of the legend are a move and a stroke; the others join three
  // points.
  size_t joined = 0;
  const std::string line = "<path class=\"s c1\" d=\"";
  for (size_t at = 0; (at = svg.find(line, at)) != std::string::npos; at += line.size())
    joined += count_of(svg.substr(at, svg.find("/>", at) - at), "L");
  CHECK(joined == 4);
  // Two names fit into a row of the legend: the third begins the next one at the left.
  CHECK(contains(svg, ">majority class</text>"));
  CHECK(count_of(svg, "translate(56 256)") == 2);
  CHECK(count_of(svg, "translate(56 274)") == 1);
}

TEST_CASE("curves: a single value is drawn, however large") {
  for (const double loss : {1.0, 1e12, 1e17, 1e300})
    CHECK(well_formed(curves_svg({{.step = 2, .train_loss = loss}}, "a run", {})));
}

TEST_CASE("curves: a single validation is a dot, and what has no points no name") {
  const MetricsRows rows = {{.step = 1, .train_loss = 2},
                            {.step = 2, .train_loss = 1, .val_loss = 1, .val_accuracy = 0.5}};
  const std::string svg = curves_svg(rows, "pretraining", {"one answer", 0.2, 3});
  CHECK(well_formed(svg));
  CHECK(count_of(svg, "stroke-width:6") == 2);
  CHECK(count_of(svg, ">one answer</text>") == 2);
  CHECK(count_of(svg, ">training</text>") == 1);  // no accuracy of training
}

TEST_CASE("curves: a run of a hundred thousand rows is drawn in the space of a thousand") {
  const auto rows = [](int64_t count) {
    MetricsRows all;
    for (int64_t step = 1; step <= count; ++step)
      all.push_back({.step = step, .train_loss = 1 + 1.0 / double(step), .val_loss = 2});
    return all;
  };
  const std::string small = curves_svg(rows(1000), "a run", {});
  const std::string large = curves_svg(rows(100000), "a run", {});
  CHECK(well_formed(large));
  CHECK(large.size() < small.size() + small.size() / 10);
  MetricsRows other = rows(100000);
  other.back().train_loss = 1.5;
  CHECK(curves_svg(other, "a run", {}) != large);  // the last row is drawn
}
