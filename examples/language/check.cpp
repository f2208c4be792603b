#include "examples/language/check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "data/files/text_file.h"
#include "data/language/corpus.h"
#include "data/language/evaluation.h"
#include "data/language/ngram.h"

namespace skiff {

namespace {

using Kind = Vocabulary::Kind;

// The splits that have tokens, with their names.
std::vector<std::pair<const char*, const TextSplit*>> splits_of(const Corpus& corpus) {
  std::vector<std::pair<const char*, const TextSplit*>> splits = {{"train", &corpus.train},
                                                                  {"val", &corpus.val}};
  if (corpus.test.size() > 0) splits.emplace_back("test", &corpus.test);
  return splits;
}

void print_splits(const Corpus& corpus) {
  const double all = double(corpus.train.tokens->size());
  std::puts("  split         tokens    share   bytes of text");
  for (const auto& [name, split] : splits_of(corpus)) {
    std::printf("  %-5s %14lld %6.2f %%", name, (long long)split->size(),
                100 * double(split->size()) / all);
    if (split->text_bytes > 0) std::printf("  %14lld", (long long)split->text_bytes);
    std::puts("");
  }
  if (corpus.test.size() == 0) std::puts("  test               none");
}

void print_vocabulary(const Corpus& corpus) {
  const Vocabulary& vocabulary = corpus.vocabulary;
  std::printf("  units: %s, %lld ids, kept in %d bits each\n", vocabulary.name(),
              (long long)vocabulary.size(), 8 * corpus.train.tokens->bytes_per_token());
  if (vocabulary.kind() == Kind::Ids) return;
  std::vector<int64_t> counts(size_t(vocabulary.size()), 0);
  for (int64_t i = 0; i < corpus.train.size(); ++i) ++counts[size_t(corpus.train[i])];
  std::vector<int32_t> ids;
  for (size_t id = 0; id < counts.size(); ++id)
    if (counts[id] > 0) ids.push_back(int32_t(id));
  std::printf("  in training: %zu different, the most frequent", ids.size());
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return counts[size_t(a)] > counts[size_t(b)]; });
  for (size_t i = 0; i < std::min<size_t>(8, ids.size()); ++i) {
    std::printf("%s %s %.1f %%", i ? "," : "", quoted(vocabulary.token(ids[i])).c_str(),
                100 * double(counts[size_t(ids[i])]) / double(corpus.train.size()));
  }
  std::puts("");
}

void print_beginnings(const Corpus& corpus) {
  const int64_t most = corpus.vocabulary.kind() == Kind::Words ? 12 : 64;
  for (const auto& [name, split] : splits_of(corpus)) {
    std::vector<int32_t> ids(size_t(std::min(most, split->size())), 0);
    split->copy(0, ids);
    std::string shown;  // line ends as \n, so that a beginning takes one line
    for (const char c : corpus.vocabulary.decode(ids))
      shown += c == '\n' ? "\\n" : std::string(1, c);
    std::printf("  %-5s begins: %s\n", name, printable(shown).c_str());
  }
}

void print_ngrams(const Corpus& corpus, int64_t order) {
  const NgramModel model(corpus.train, {.order = order, .vocab = corpus.vocabulary.size()});
  std::printf("  n-gram baseline (Witten-Bell), %lld different n-grams\n",
              (long long)model.ngrams());
  for (const auto& [name, split] : splits_of(corpus)) {
    if (split == &corpus.train) continue;
    std::printf("  %-5s order  nats/token  bits/token  perplexity  bits/byte\n", name);
    std::vector<double> losses = model.losses(*split);
    losses.insert(losses.begin(), std::log(double(corpus.vocabulary.size())));  // uniform
    for (size_t k = 0; k < losses.size(); ++k) {
      LanguageScore score{losses[k] * double(split->size()), split->size(), split->text_bytes};
      std::printf("        %5zu %11.4f %11.4f %11.3f", k, score.loss(), score.bits(),
                  score.perplexity());
      if (score.text_bytes > 0) std::printf(" %10.4f", score.bits_per_byte());
      std::puts(k == 0 ? "  (all ids equally likely)" : "");
    }
  }
}

}  // namespace

int check_text(const LanguageDataOptions& options, int64_t ngram) {
  const Corpus corpus = load_corpus(options);
  std::printf("%s: %s\n", printable(corpus.place).c_str(), printable(corpus.name).c_str());
  print_vocabulary(corpus);
  print_splits(corpus);
  print_beginnings(corpus);
  for (const std::string& note : corpus.notes) std::printf("  note: %s\n", printable(note).c_str());
  std::printf("  fingerprint: %s\n", fingerprint(corpus).c_str());
  if (ngram > 0) print_ngrams(corpus, ngram);
  return 0;
}

}  // namespace skiff
