// A folder with a small text in text.txt, and runs of a tiny language model on it.
#pragma once

#include <string>

#include "core/random.h"
#include "tests/support/programs.h"

namespace skiff::testing {

struct TextRun : Place {
  TextRun() { spill(*this / "text.txt", text()); }

  // 3600 characters of sentences of a small grammar.
  static std::string text() {
    const char* const words[] = {"the cat", "a dog", "sees", "hears", "the bird", "and", "runs"};
    Random random(5);
    std::string text;
    while (text.size() < 3600) {
      text += words[random.below(7)];
      text += random.below(6) == 0 ? ".\n" : " ";
    }
    text.resize(3600);
    return text;
  }
  std::string words(const std::string& out, const std::string& more = "") const {
    return "--data " + *this / "text.txt" + " --out " + *this / out +
           " --recipe demo --units characters --split 0.9,0.1 --dim 8 --layers 1 --length 16 "
           "--batch-size 4 --steps 12 --warmup 3 --eval-every 6 --log-every 4 --save-every 4 "
           "--keep 3 --ngram 3 --sample-tokens 8 --dropout 0.1 --encoder-dropout 0.1 " +
           more;
  }
  Outcome train(const std::string& out, const std::string& more = "") const {
    return train_lm_here(*this, words(out, more));
  }
  // The last checkpoint, the best one and metrics.csv, byte for byte but for the times.
  void check_same(const std::string& a, const std::string& b) const {
    for (const char* name : {"ckpt-00000012.safetensors", "best.safetensors"}) {
      CAPTURE(name);
      const std::string left = slurp(*this / (a + "/" + name));
      CHECK(!left.empty());
      CHECK((left == slurp(*this / (b + "/" + name))));
    }
    CHECK(without_times(slurp(*this / (a + "/metrics.csv"))) ==
          without_times(slurp(*this / (b + "/metrics.csv"))));
  }
};

}  // namespace skiff::testing
