// A page of text, tables and figures as one HTML file: no scripts, no network, light and dark,
// printable. Every number it shows stands once more in a block of JSON, by name, so that others can
// read it and a test can compare the two.
#pragma once

#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/check.h"

namespace skiff {

// Text for HTML: nothing in it is taken for markup.
inline std::string html(const std::string& text) {
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
          out += "\xEF\xBF\xBD";  // a control character, which HTML does not allow
    }
  }
  return out;
}

inline std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// A number as it is printed: a real minus, powers of ten in small figures. What is to be read is
// the same without the markup.
struct Typeset {
  std::string text, markup;
};
inline Typeset typeset(std::string number) {
  const auto minus = [](const std::string& s) {
    return s.starts_with('-') ? "\u2212" + s.substr(1) : s;
  };
  const size_t e = number.find('e');
  if (e == std::string::npos) return {minus(number), minus(number)};
  if (std::stod(number) == 0) return {"0", "0"};
  const std::string mantissa = minus(number.substr(0, e)) + " \u00d7 10",
                    exponent = minus(std::to_string(std::stoi(number.substr(e + 1))));
  return {mantissa + exponent, mantissa + "<sup>" + exponent + "</sup>"};
}

class Page {
 public:
  // A number in the text, known by its name from here on. The format is one of printf for a double.
  std::string number(const std::string& name, double value, const char* format = "%.3g") {
    check(!numbers_.contains(name), "page: the number '", name, "' stands there twice");
    check(std::isfinite(value), "page: the number '", name, "' is not finite");
    const Typeset shown = typeset(formatted(format, value == 0 ? 0 : value));  // no -0
    numbers_[name] = {{"value", value}, {"text", shown.text}};
    markup_[name] = shown.markup;
    return again(name);
  }
  // The same inside a figure.
  std::string drawn_number(const std::string& name, double value, const char* format = "%.3g") {
    number(name, value, format);
    return marked("tspan", "data-value", name);
  }
  std::string count(const std::string& name, int64_t value) {
    return number(name, double(value), "%.0f");
  }
  // The same number once more.
  std::string again(const std::string& name) const { return marked("data", "value", name); }
  double value(const std::string& name) const {
    return numbers_.at(name).at("value").get<double>();
  }

  void section(const std::string& id, const std::string& name, const std::string& title) {
    if (!sections_.empty()) body_ += "</section>\n";
    sections_.push_back({id, name});
    body_ += "<section id=\"" + id + "\">\n<h2>" + html(title) + "</h2>\n";
  }
  void heading(const std::string& title) { body_ += "<h3>" + html(title) + "</h3>\n"; }
  void text(const std::string& markup) { body_ += "<p>" + markup + "</p>\n"; }
  void formula(const std::string& markup) { body_ += "<p class=\"formula\">" + markup + "</p>\n"; }
  void raw(const std::string& markup) { body_ += markup; }

  // Figures side by side where the page is wide enough.
  void figures(const std::vector<std::string>& all) {
    body_ += "<div class=\"figures n" + std::to_string(all.size()) + "\">\n";
    for (const std::string& figure : all) body_ += figure;
    body_ += "</div>\n";
  }

  // Cells are markup. It scrolls by itself when the window is narrow.
  void table(const std::string& caption, const std::vector<std::string>& head,
             const std::vector<std::vector<std::string>>& rows, size_t words = 1) {
    body_ += table_markup(caption, head, rows, words);
  }
  // The first `words` columns hold words, the others numbers.
  static std::string table_markup(const std::string& caption, const std::vector<std::string>& head,
                                  const std::vector<std::vector<std::string>>& rows,
                                  size_t words = 1) {
    std::string s = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                    html(caption) + "\"><table><caption><span>" + html(caption) +
                    "</span></caption>\n<thead><tr>";
    const auto side = [&](size_t i) {
      return i < words ? std::string(" class=\"l\"") : std::string();
    };
    for (size_t i = 0; i < head.size(); ++i)
      s += "<th scope=\"col\"" + side(i) + ">" + head[i] + "</th>";
    s += "</tr></thead>\n<tbody>\n";
    for (const auto& row : rows) {
      s += "<tr>";
      for (size_t i = 0; i < row.size(); ++i)
        s += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>"
                    : "<td" + side(i) + ">" + row[i] + "</td>";
      s += "</tr>\n";
    }
    return s + "</tbody></table></div>\n";
  }

  // Text as it stands in a file. It scrolls by itself, too.
  static std::string preformatted(const std::string& label, const std::string& text) {
    return "<pre tabindex=\"0\" role=\"region\" aria-label=\"" + html(label) + "\">" + html(text) +
           "</pre>\n";
  }

  // One of several panels at a time, chosen by buttons that need no script; all of them on paper.
  void frames(const std::string& id, const std::string& question,
              const std::vector<std::pair<std::string, std::string>>& panels) {
    check(panels.size() <= kMostFrames, "page: at most ", kMostFrames, " frames, got ",
          panels.size());
    body_ += "<fieldset class=\"frames\"><legend>" + html(question) + "</legend>\n";
    for (size_t i = 0; i < panels.size(); ++i) {
      const std::string name = id + "-" + std::to_string(i);
      body_ += "<input type=\"radio\" name=\"" + id + "\" id=\"" + name + "\"" +
               (i == 0 ? " checked" : "") + "><label for=\"" + name + "\">" +
               html(panels[i].first) + "</label>\n";
    }
    body_ += "<div class=\"panels\">\n";
    for (const auto& [label, markup] : panels)
      body_ +=
          "<div class=\"panel\"><p class=\"print\">" + html(label) + "</p>" + markup + "</div>\n";
    body_ += "</div></fieldset>\n";
  }

  // The file. `lead` is markup under the title.
  std::string finish(const std::string& title, const std::string& lead) const {
    std::string nav;
    for (const auto& [id, name] : sections_)
      nav += "<li><a href=\"#" + id + "\">" + html(name) + "</a></li>\n";
    nlohmann::ordered_json data;
    data["numbers"] = numbers_;
    std::string json = data.dump(1), safe;
    for (const char c : json)
      safe += c == '<' ? "\\u003c" : std::string(1, c);  // cannot end its element
    return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
           "'unsafe-inline'; img-src data:\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta name=\"color-scheme\" content=\"light dark\">\n"
           "<link rel=\"icon\" href=\"data:,\">\n<title>" +
           html(title) + "</title>\n<style>\n" + style() +
           "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the "
           "text</a>\n<header>\n<h1>" +
           html(title) + "</h1>\n" + lead + "<nav aria-label=\"Sections\"><ol>\n" + nav +
           "</ol></nav>\n</header>\n<main id=\"main\">\n" + body_ +
           (sections_.empty() ? "" : "</section>\n") +
           "</main>\n<footer><p>Every number above stands in the block of JSON at the end of this "
           "file, by name, "
           "with all its digits.</p></footer>\n<script type=\"application/json\" "
           "id=\"numbers\">\n" +
           safe + "\n</script>\n</body>\n</html>\n";
  }

 private:
  static constexpr size_t kMostFrames = 12;
  std::string marked(const char* element, const char* attribute, const std::string& name) const {
    const auto& n = numbers_.at(name);
    return std::string("<") + element + " data-name=\"" + html(name) + "\" " + attribute + "=\"" +
           formatted("%.17g", n.at("value").get<double>()) + "\">" + markup_.at(name) + "</" +
           element + ">";
  }
  static std::string style();
  std::string body_;
  nlohmann::ordered_json numbers_ = nlohmann::ordered_json::object();
  std::map<std::string, std::string> markup_;  // of the numbers
  std::vector<std::pair<std::string, std::string>> sections_;
};

inline std::string Page::style() {
  const char* const light =
      "--page:#fcfcfa;--panel:#f3f3ee;--text:#1d2023;--soft:#565d64;--line:#d9d9d2;--grid:#e5e5df;-"
      "-link:#0b57a8;"
      "--c0:#1f63c6;--c1:#c2480a;--c2:#1d7a45;--c3:#7b3fc4;--c4:#8a6100;--c5:#b0245f;--good:#"
      "1d7a45;--bad:#b3261e;";
  const char* const dark =
      "--page:#14161a;--panel:#1d2026;--text:#e6e8ea;--soft:#a3abb3;--line:#383d45;--grid:#2a2e35;-"
      "-link:#7fb4ff;"
      "--c0:#79adff;--c1:#ff9d66;--c2:#68cf92;--c3:#c39bff;--c4:#e3bd55;--c5:#ff8fbc;--good:#"
      "68cf92;--bad:#ff8a80;";
  // Diverging, from blue over the page's own tone to orange: 15 steps.
  const auto ramp = [](const int(&low)[3], const int(&middle)[3], const int(&high)[3]) {
    std::string s;
    for (int q = 0; q < 15; ++q) {
      const double t = (q - 7) / 7.0, a = std::pow(std::abs(t), 0.8);
      char text[48];
      const auto mix = [&](int i) {
        return int(std::lround(middle[i] + a * ((t < 0 ? low : high)[i] - middle[i])));
      };
      std::snprintf(text, sizeof text, "--q%d:#%02x%02x%02x;", q, mix(0), mix(1), mix(2));
      s += text;
    }
    return s;
  };
  const std::string light_ramp = ramp({16, 72, 160}, {247, 246, 242}, {186, 66, 4});
  const std::string dark_ramp = ramp({110, 178, 255}, {32, 35, 41}, {255, 150, 84});
  std::string s = std::string(":root{color-scheme:light dark;") + light + light_ramp + "}\n" +
                  "@media(prefers-color-scheme:dark){:root{" + dark + dark_ramp + "}}\n" +
                  "@media print{:root{" + light + light_ramp + "}}\n";
  s += R"css(*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:17px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
header,main,footer{max-width:1060px;margin:0 auto;padding:0 16px}
header{padding-top:40px}
h1{font-size:2.1rem;line-height:1.2;margin:0 0 12px;letter-spacing:-.01em}
h2{font-size:1.55rem;line-height:1.25;margin:0 0 12px}
h3{font-size:1.13rem;line-height:1.35;margin:34px 0 8px}
section{padding:44px 0 8px;border-top:1px solid var(--line);margin-top:36px}
p,ul,ol,dl{max-width:72ch;margin:0 0 14px;overflow-wrap:break-word}
a{color:var(--link)}
a:focus-visible,[tabindex]:focus-visible,summary:focus-visible,input:focus-visible+label{outline:3px solid var(--c0);outline-offset:2px}
.skip{position:absolute;left:-999px}.skip:focus{left:16px;top:8px;background:var(--page);padding:6px 10px;z-index:2}
.lead{font-size:1.08rem}.soft,figcaption,caption{color:var(--soft)}
nav ol{display:flex;flex-wrap:wrap;gap:4px 24px;padding:0;margin:22px 0 0;list-style:none;max-width:none}
nav a{display:inline-block;padding:4px 0}
code,pre,.formula,data{font-variant-numeric:tabular-nums}
data{white-space:nowrap}sup,sub{line-height:0}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86em}code{white-space:nowrap}
pre{background:var(--panel);border-radius:6px;padding:12px 14px;margin:8px 0 14px;overflow-x:auto;line-height:1.45;font-size:13px;max-width:100%;width:fit-content;min-width:min(100%,42rem)}
.formula{font-family:Cambria,"STIX Two Text","Noto Serif","DejaVu Serif",Georgia,serif;padding-left:22px;font-size:1.05rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:26px 30px;margin:20px 0 26px}
.figures.n1{grid-template-columns:minmax(0,420px)}.figures.n2,.figures.n4{grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}
figure{margin:0;min-width:0;max-width:420px}
figure svg{display:block;width:100%;height:auto;overflow:visible}
figcaption{font-size:.87rem;line-height:1.45;margin-top:8px}
figcaption b{color:var(--text);font-weight:600}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;padding:0;margin:6px 0 0;font-size:.84rem;line-height:1.5}
.legend svg{display:inline-block;width:28px;height:12px;margin-right:6px;vertical-align:-1px}
svg text{fill:var(--soft);font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
svg .b{fill:var(--text);font-weight:600}svg .v{fill:var(--text)}svg .halo{paint-order:stroke;stroke:var(--page);stroke-width:3.5px;stroke-linejoin:round}
.grid{stroke:var(--grid);fill:none}.axis{stroke:var(--soft);fill:none}.edge{stroke:var(--line);fill:none}.mark{stroke:var(--text);fill:none;stroke-width:1.6}
.thin{stroke:var(--soft);stroke-dasharray:2 3;fill:none}
.s{fill:none;stroke-width:1.9;stroke-linejoin:round;stroke-linecap:round}.dash{stroke-dasharray:6 4}.guide{stroke:var(--soft);stroke-width:1.1;stroke-dasharray:2 4}
.box{fill:var(--panel);stroke:var(--line)}.badge{fill:var(--c0)}svg .badge-text{fill:var(--page);font-weight:700}
.scroll{overflow-x:auto;margin:12px 0 22px;max-width:100%}
table{border-collapse:collapse;font-size:.9rem;line-height:1.4}
caption{text-align:left;padding:0 0 6px;font-size:.87rem}caption span{display:block;max-width:calc(100vw - 36px)}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;font-weight:400}
thead th{color:var(--soft);font-size:.84rem;vertical-align:bottom}
th[scope=row],thead th:first-child{text-align:left}th[scope=row] code{white-space:nowrap}@media(min-width:521px){th[scope=row]{white-space:nowrap}}
td.l,th.l{text-align:left}td.l:nth-child(3){min-width:13rem}
.pass{color:var(--good);font-weight:600}.fail{color:var(--bad);font-weight:600}
.frames{border:1px solid var(--line);border-radius:8px;padding:10px 16px 16px;margin:16px 0 24px;min-width:0}
.frames legend{padding:0 6px;font-weight:600}
.frames>input{position:absolute;opacity:0;width:1px;height:1px}
.frames>label{display:inline-block;padding:4px 11px;margin:3px 4px 3px 0;border:1px solid var(--line);border-radius:6px;cursor:pointer;font-size:.88rem;font-variant-numeric:tabular-nums}
.frames>input:checked+label{background:var(--text);color:var(--page);border-color:var(--text)}
.panel{display:none}.panel .print{display:none}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:24px 30px;margin:12px 0}
.op,.op-group{border-top:1px solid var(--line);padding-top:16px;margin-top:22px}.op{display:grid;grid-template-columns:minmax(0,1fr) 310px;gap:8px 30px}.op pre,.op-group pre{width:auto;min-width:0;font-size:11.5px}
h3.file{font:600 .87rem ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;color:var(--soft);margin:0 0 6px}
.card{min-width:0}.card h4{font-size:1rem;line-height:1.4;margin:0 0 2px}.card dl{display:grid;grid-template-columns:auto 1fr;gap:0 14px;font-size:.87rem;margin:0 0 6px}.card dt{color:var(--soft)}.card dd{margin:0}
details{margin:8px 0}summary{cursor:pointer;color:var(--link);padding:3px 0}
.diff-old{color:var(--bad)}.diff-new{color:var(--good)}
footer{border-top:1px solid var(--line);margin-top:36px;padding-top:16px;padding-bottom:44px;font-size:.87rem;color:var(--soft)}
@media(max-width:900px){.op{grid-template-columns:minmax(0,1fr)}.op .card{max-width:400px}}
@media(min-width:901px){.op pre{white-space:pre-wrap}}
@media(max-width:520px){body{font-size:16px}h1{font-size:1.7rem}.formula{padding-left:6px}header{padding-top:24px}th,td{padding-right:11px}}
@media print{nav,.skip,.frames>label,.frames>input{display:none}body{font-size:10.5pt}section{break-before:auto;padding-top:18px;margin-top:18px}figure,.card,tr{break-inside:avoid}.panel{display:block!important;margin-bottom:14px}.panel .print{display:block;font-weight:600;margin:0}.panels{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:14px}:root{--page:#fff}details::details-content{content-visibility:visible}pre{white-space:pre-wrap}}
)css";
  for (int q = 0; q < 15; ++q)
    s += ".q" + std::to_string(q) + "{fill:var(--q" + std::to_string(q) + ")}";
  for (int c = 0; c < 6; ++c) {
    const std::string n = std::to_string(c);
    s += ".c" + n + "{stroke:var(--c" + n + ")}.f" + n + "{fill:var(--c" + n + ")}";
  }
  for (size_t i = 1; i <= kMostFrames; ++i) {
    const std::string n = std::to_string(i);
    s += ".frames>input:nth-of-type(" + n + "):checked~.panels>.panel:nth-of-type(" + n +
         "){display:block}";
  }
  return s + "\n";
}

}  // namespace skiff
