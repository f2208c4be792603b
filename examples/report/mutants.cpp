// Bugs planted on purpose, and the check that catches each.
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/files/text_file.h"
#include "examples/report/sections.h"

namespace skiff::report {
namespace {

struct Mutant {
  std::string name, op, file, what, check, where, old_lines, new_lines;
  bool caught = false, shown = false;
  double error = 0, limit = 0;
};

std::vector<Mutant> read_mutants(const std::string& path) {
  LineReader in(path);
  std::vector<Mutant> mutants;
  for (std::string_view line; in.next(&line);) {
    const int64_t number = in.line();
    try {
      const nlohmann::json j = nlohmann::json::parse(line);
      mutants.push_back({j.at("name"), j.at("op"), j.at("file"), j.at("what"), j.at("check"),
                         j.at("where"), j.at("old"), j.at("new"), j.at("caught"), j.at("report"),
                         j.at("error"), j.at("limit")});
    } catch (const nlohmann::json::exception& e) {
      fail<DataError>(path, ":", number, ": not the result of a mutant: ", e.what());
    }
  }
  check<DataError>(!mutants.empty(), path, ": holds no results");
  return mutants;
}

}  // namespace

void check_mutants(const std::string& file) {
  if (!file.empty()) read_mutants(file);
}

void add_mutants(Page& page, const std::string& file) {
  if (file.empty()) {
    page.set("mutants.results", page.render("mutants_none.html"));
    return;
  }
  std::vector<std::vector<std::string>> rows;
  std::string patches;
  int caught = 0;
  for (const Mutant& m : read_mutants(file)) {
    if (!m.shown) continue;
    caught += m.caught;
    const std::string key = "break." + m.name;
    rows.push_back({escaped(m.name), "<code>" + escaped(m.op) + "</code>",
                    m.caught ? escaped(m.check) : "<span class=\"fail\">nothing caught it</span>",
                    page.number(key + ".error", m.error, "%.2g"),
                    page.number(key + ".limit", m.limit, "%.1g")});
    patches += page.render("mutant.html", {{"name", escaped(m.name)},
                                           {"what", escaped(m.what)},
                                           {"file", escaped(m.file)},
                                           {"old", escaped(m.old_lines)},
                                           {"new", escaped(m.new_lines)},
                                           {"where", escaped(m.where)}});
  }
  page.count("break.caught", caught);
  page.count("break.shown", int64_t(rows.size()));
  page.set("break.rows", table_rows(rows, 3));
  page.set("break.patches", patches);
  page.set("mutants.results", page.render("mutants_results.html"));
}

}  // namespace skiff::report
