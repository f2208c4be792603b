// The interpolation matrix W beside that of the code released with arXiv 2305.09028.
#include <algorithm>

#include "data/tasks.h"
#include "examples/report/kernels.h"
#include "examples/report/sections.h"
#include "examples/train/recipes.h"

namespace skiff::report {
namespace {

// W as a matrix, its decay included.
Matrix rows_of(const InterpolationMatrix& W) {
  return matrix_of(W.r, [&](const Variable& s) { return interpolate(s, W); });
}

double row_sum(const Matrix& W, int64_t i) {
  double sum = 0;
  for (int64_t j = 0; j < W.columns; ++j) sum += W(i, j);
  return sum;
}

void add_rows(Page& page) {
  const int64_t n = 8, r = 3;
  const Matrix ours = rows_of({n, r}), released = rows_of({n, r, true, 1});
  std::vector<std::vector<std::string>> rows;
  for (int64_t i = 0; i < n; ++i) {
    rows.push_back({std::to_string(i)});
    const auto add = [&](const std::string& name, const Matrix& W) {
      const std::string key = name + "." + std::to_string(i) + ".";
      for (int64_t j = 0; j < r; ++j)
        rows.back().push_back(page.number(key + std::to_string(j), W(i, j), "%.4f"));
      rows.back().push_back(page.number(key + "sum", row_sum(W, i), "%.4f"));
    };
    add("ski.W", ours);
    add("ski.W-released", released);
  }
  page.set("ski.W-rows", table_rows(rows));
  const auto [low, high] = std::minmax_element(released.at.begin(), released.at.end());
  page.number("ski.W-released.low", *low, "%.2f");
  page.number("ski.W-released.high", *high, "%.2f");
  for (const bool published : {false, true}) {
    charts::HeatMap map = heat_map(transposed(rows_of({32, 8, published, 1})), 1.7);
    map.row_label = "inducing point", map.column_label = "position";
    draw(page.values, published ? "ski.W-released" : "ski.W", map);
  }
}

// The share of entry (0, 0) in |W A W^T|^2 = tr(A G A^T G), G = W^T W, for a random A.
double corner_share(const Matrix& W) {
  const int64_t r = W.columns;
  const std::vector<double> lags = random_signal(2 * r, 5, 3);
  const Matrix A = toeplitz_matrix([&](double l) { return lags[size_t(int64_t(l) + r)]; }, r);
  const Matrix G = transposed(W) * W, AG = A * G, ATG = transposed(A) * G;
  double square = 0, corner = 0;
  for (int64_t i = 0; i < r; ++i)
    for (int64_t j = 0; j < r; ++j)
      square += AG(i, j) * ATG(j, i), corner += W(0, i) * A(i, j) * W(0, j);
  return corner * corner / square;
}

void add_decay(Page& page) {
  std::vector<std::vector<std::string>> rows;
  for (const Recipe& recipe : recipes()) {
    const std::string& task = recipe.task();
    if (recipe.name() != "paper" || task == "pathx") continue;
    const Options& o = recipe.options;
    const int64_t height = task_named(task).shape.height;  // images are mixed by rows and columns
    const int64_t length = height > 0 ? height : o.data.max_length;
    const double gamma = o.model.kernel.gamma;
    const Matrix W = rows_of({length, o.model.ski.inducing_points, true, gamma});
    int64_t alive = 0;
    for (int64_t i = 0; i < length; ++i) alive += row_sum(W, i) > 1e-3;
    const std::string key = "ski.fall-off." + task;
    rows.push_back(
        {escaped(task), page.count(key + ".n", length), page.number(key + ".gamma", gamma, "%.2g"),
         page.number(key + ".0", row_sum(W, 0), "%.2g"),
         page.number(key + ".1", row_sum(W, 1), "%.2g"),
         page.number(key + ".2", row_sum(W, 2), "%.2g"), page.count(key + ".alive", alive),
         page.number(key + ".share", 100 * corner_share(W), "%.4g") + "\u00a0%"});
  }
  page.set("ski.fall-off-rows", table_rows(rows));
}

}  // namespace

void add_published_w(Page& page) {
  add_rows(page);
  add_decay(page);
}

}  // namespace skiff::report
