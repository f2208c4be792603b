// Colours and text of all charts.
#include <cstdio>

#include "examples/charts/charts.h"

namespace skiff::charts {
namespace {

struct Color {
  std::string name, light, dark;
};

std::string mixed(const int (&from)[3], const int (&to)[3], double share) {
  char text[16];
  const auto at = [&](int i) { return int(std::lround(from[i] + share * (to[i] - from[i]))); };
  std::snprintf(text, sizeof text, "#%02x%02x%02x", at(0), at(1), at(2));
  return text;
}

const std::vector<Color>& palette() {
  static const std::vector<Color> all = [] {
    std::vector<Color> colors = {
        {"page", "#fcfcfa", "#14161a"}, {"panel", "#f3f3ee", "#1d2026"},
        {"text", "#1d2023", "#e6e8ea"}, {"soft", "#565d64", "#a3abb3"},
        {"line", "#d9d9d2", "#383d45"}, {"grid", "#e5e5df", "#2a2e35"},
        {"c0", "#1f63c6", "#79adff"},   {"c1", "#c2480a", "#ff9d66"},
        {"c2", "#1d7a45", "#68cf92"},   {"c3", "#7b3fc4", "#c39bff"},
        {"c4", "#8a6100", "#e3bd55"},   {"c5", "#b0245f", "#ff8fbc"},
        {"link", "#0b57a8", "#7fb4ff"}, {"good", "#1d7a45", "#68cf92"},
        {"bad", "#b3261e", "#ff8a80"},
    };
    // A diverging ramp: blue, the tone of the page in its middle, orange.
    const int light[3][3] = {{16, 72, 160}, {247, 246, 242}, {186, 66, 4}};
    const int dark[3][3] = {{110, 178, 255}, {32, 35, 41}, {255, 150, 84}};
    for (int q = 0; q < 15; ++q) {
      const double share = std::pow(std::abs(q - 7) / 7.0, 0.8);
      const int end = q < 7 ? 0 : 2;
      colors.push_back({"q" + std::to_string(q), mixed(light[1], light[end], share),
                        mixed(dark[1], dark[end], share)});
    }
    return colors;
  }();
  return all;
}

const char* const kFont =
    R"(system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif)";

std::string variables(std::string Color::*scheme) {
  std::string s;
  for (const Color& c : palette()) s += "--" + c.name + ":" + c.*scheme + ";";
  return s;
}

// Rules whose colours depend on the scheme.
std::string color_rules() {
  std::string s =
      "svg text{fill:var(--soft)}svg .b,svg .v{fill:var(--text)}svg .halo{stroke:var(--page)}"
      ".grid{stroke:var(--grid)}.axis{stroke:var(--soft)}.edge{stroke:var(--line)}"
      ".mark{stroke:var(--text)}.thin,.guide{stroke:var(--soft)}"
      ".box{fill:var(--panel);stroke:var(--line)}.badge{fill:var(--c0)}"
      "svg .badge-text{fill:var(--page)}";
  for (const Color& c : palette()) {
    if (c.name[0] == 'q') s += "." + c.name + "{fill:var(--" + c.name + ")}";
    if (c.name[0] != 'c') continue;
    const char digit = c.name[1];
    s += "." + c.name + "{stroke:var(--" + c.name + ")}svg .f" + digit + "{fill:var(--" + c.name +
         ")}";
  }
  return s;
}

std::string shape_rules() {
  std::string s = "svg text{font:12.5px ";
  s += kFont;
  s += ";font-variant-numeric:tabular-nums}"
       "svg .b{font-weight:600}svg .halo{paint-order:stroke;stroke-width:3.5px;"
       "stroke-linejoin:round}"
       ".grid,.axis,.edge,.mark,.thin,.s{fill:none}.mark{stroke-width:1.6}"
       ".thin{stroke-dasharray:2 3}.s{stroke-width:1.9;stroke-linejoin:round;"
       "stroke-linecap:round}.dash{stroke-dasharray:6 4}"
       ".guide{stroke-width:1.1;stroke-dasharray:2 4}svg .badge-text{font-weight:700}";
  return s;
}

// Programs besides browsers know no CSS variables, so a file of its own has colours in place.
std::string in_place(std::string rules, std::string Color::*scheme) {
  for (const Color& c : palette()) {
    const std::string name = "var(--" + c.name + ")";
    for (size_t at = 0; (at = rules.find(name, at)) != std::string::npos;)
      rules.replace(at, name.size(), c.*scheme);
  }
  return rules;
}

// The rules of the classes that a drawing uses.
std::string used_rules(const std::string& rules, const std::string& drawing) {
  std::string used, classes = " ";
  const std::string open = "class=\"";
  for (size_t at = 0; (at = drawing.find(open, at)) != std::string::npos;) {
    at += open.size();
    classes += drawing.substr(at, drawing.find('"', at) - at) + " ";
  }
  for (size_t at = 0; at < rules.size();) {
    const size_t end = rules.find('}', at) + 1;
    const std::string selectors = rules.substr(at, rules.find('{', at) - at);
    const size_t last = selectors.rfind('.');
    const std::string name = last == std::string::npos ? "" : selectors.substr(last + 1);
    const bool always = selectors.find(',') != std::string::npos || name.empty();
    const std::string padded = " " + name + " ";
    if (always || classes.find(padded) != std::string::npos) used += rules.substr(at, end - at);
    at = end;
  }
  return used;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n')
          out += c;
        else
          out += "\xEF\xBF\xBD";  // HTML and XML do not allow control characters
    }
  }
  return out;
}

std::string coordinate(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", v);
  std::string s = text;
  while (s.back() == '0') s.pop_back();
  if (s.back() == '.') s.pop_back();
  return s == "-0" ? "0" : s;
}

std::string short_number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v);
  return text[0] == '-' ? std::string("\u2212") + (text + 1) : text;
}

std::string page_style() {
  const std::string light = variables(&Color::light), dark = variables(&Color::dark);
  return ":root{color-scheme:light dark;" + light + "}\n@media(prefers-color-scheme:dark){:root{" +
         dark + "}}\n@media print{:root{" + light + "--page:#fff}}\n" + color_rules() +
         shape_rules() + "\n";
}

std::string element(double width, double height, const std::string& drawing) {
  return "<svg viewBox=\"0 0 " + coordinate(width) + " " + coordinate(height) +
         "\" aria-hidden=\"true\">\n" + drawing + "</svg>\n";
}

std::string document(const std::string& title, double width, double height,
                     const std::string& drawing) {
  const std::string w = coordinate(width), h = coordinate(height);
  const std::string colors = "svg{background:var(--page)}" + used_rules(color_rules(), drawing);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + w + " " + h + "\" width=\"" +
         w + "\" height=\"" + h + "\" role=\"img\">\n<title>" + escaped(title) +
         "</title>\n<style>" + used_rules(shape_rules(), drawing) +
         in_place(colors, &Color::light) + "@media(prefers-color-scheme:dark){" +
         in_place(colors, &Color::dark) + "}</style>\n" + drawing + "</svg>\n";
}

}  // namespace skiff::charts
