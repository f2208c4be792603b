#include "examples/report/page.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "examples/report/template.h"

namespace skiff::report {
namespace {

constexpr size_t kMostFrames = 12;

// The panel of the button that is chosen.
std::string frame_style() {
  std::string s;
  for (size_t i = 1; i <= kMostFrames; ++i) {
    const std::string n = std::to_string(i);
    s += ".frames>input:nth-of-type(" + n + "):checked~.panels>.panel:nth-of-type(" + n +
         "){display:block}";
  }
  return s;
}

}  // namespace

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Typeset typeset(const std::string& number) {
  const auto minus = [](const std::string& s) {
    return s.starts_with('-') ? "\u2212" + s.substr(1) : s;
  };
  const size_t e = number.find('e');
  if (e == std::string::npos) return {minus(number), minus(number)};
  if (std::stod(number) == 0) return {"0", "0"};
  const std::string mantissa = minus(number.substr(0, e)) + " \u00d7 10";
  const std::string exponent = minus(std::to_string(std::stoi(number.substr(e + 1))));
  return {mantissa + exponent, mantissa + "<sup>" + exponent + "</sup>"};
}

void draw(Values& values, const std::string& name, const charts::Chart& chart) {
  draw(values, name, charts::svg(chart));
  values[name + " legend"] = charts::legend(chart);
}
void draw(Values& values, const std::string& name, const charts::HeatMap& map) {
  draw(values, name, charts::svg(map));
}
void draw(Values& values, const std::string& name, const std::string& svg) {
  values[name] = svg;
  values[name + " legend"] = "";
}

std::string table_rows(const std::vector<std::vector<std::string>>& rows, size_t words) {
  std::string s;
  for (const auto& row : rows) {
    s += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      s += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>"
                  : (i < words ? "<td class=\"l\">" : "<td>") + row[i] + "</td>";
    s += "</tr>\n";
  }
  return s;
}

std::string preformatted(const std::string& label, const std::string& text) {
  return "<pre tabindex=\"0\" role=\"region\" aria-label=\"" + escaped(label) + "\">" +
         escaped(text) + "</pre>\n";
}

std::string frames(const std::string& id, const std::string& question,
                   const std::vector<std::pair<std::string, std::string>>& panels) {
  check(panels.size() <= kMostFrames, "report: at most ", kMostFrames, " frames, got ",
        panels.size());
  std::string s = "<fieldset class=\"frames\"><legend>" + escaped(question) + "</legend>\n";
  for (size_t i = 0; i < panels.size(); ++i) {
    const std::string name = id + "-" + std::to_string(i);
    s += "<input type=\"radio\" name=\"" + id + "\" id=\"" + name + "\"" +
         (i == 0 ? " checked" : "") + "><label for=\"" + name + "\">" + escaped(panels[i].first) +
         "</label>\n";
  }
  s += "<div class=\"panels\">\n";
  for (const auto& [label, markup] : panels)
    s += "<div class=\"panel\"><p class=\"print\">" + escaped(label) + "</p>" + markup + "</div>\n";
  return s + "</div></fieldset>\n";
}

std::string Page::number(const std::string& name, double value, const char* format) {
  check(!numbers_.contains(name), "report: the number '", name, "' exists twice");
  check(std::isfinite(value), "report: the number '", name, "' is not finite");
  names_.push_back(name);
  numbers_[name] = {value, typeset(formatted(format, value == 0 ? 0 : value))};  // no -0
  return again(name);
}

std::string Page::count(const std::string& name, int64_t value) {
  return number(name, double(value), "%.0f");
}

std::string Page::drawn_number(const std::string& name, double value, const char* format) {
  number(name, value, format);
  return marked("tspan", "data-value", name);
}

std::string Page::again(const std::string& name) const { return marked("data", "value", name); }

double Page::value(const std::string& name) const { return numbers_.at(name).value; }

std::string Page::marked(const char* element, const char* attribute,
                         const std::string& name) const {
  const Number& n = numbers_.at(name);
  return std::string("<") + element + " data-name=\"" + escaped(name) + "\" " + attribute + "=\"" +
         formatted("%.17g", n.value) + "\">" + n.shown.markup + "</" + element + ">";
}

std::string Page::render(const std::string& file, const Values& local) const {
  return fill("{{include " + file + "}}", [&](const std::string& name) {
    if (const auto at = local.find(name); at != local.end()) return at->second;
    if (const auto at = values.find(name); at != values.end()) return at->second;
    check(numbers_.contains(name), "report: '", file, "' shows '", name, "', which has no value");
    return again(name);
  });
}

std::string Page::json() const {
  nlohmann::ordered_json data;
  for (const std::string& name : names_) {
    const Number& n = numbers_.at(name);
    data["numbers"][name] = {{"value", n.value}, {"text", n.shown.text}};
  }
  std::string safe;
  for (const char c : data.dump(1))
    safe += c == '<' ? "\\u003c" : std::string(1, c);  // cannot end its element
  return safe;
}

std::string Page::finish() {
  set("style.charts", charts::page_style());
  set("style.frames", frame_style());
  set("json", json());
  return render("page.html");
}

}  // namespace skiff::report
