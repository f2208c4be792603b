#include "layers/model_file.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

namespace skiff {
namespace {

constexpr int kVersion = 1;  // one more whenever an option changes its meaning
constexpr const char* kVersionKey = "options_version";

// One symbol per line; line ends and backslashes are escaped.
std::string as_lines(const std::vector<std::string>& symbols) {
  std::string text;
  for (const std::string& symbol : symbols) {
    for (const char c : symbol) {
      if (c == '\n')
        text += "\\n";
      else if (c == '\\')
        text += "\\\\";
      else
        text += c;
    }
    text += '\n';
  }
  return text;
}

std::vector<std::string> from_lines(const std::string& text) {
  std::vector<std::string> symbols;
  std::string symbol;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      symbols.push_back(symbol);
      symbol.clear();
    } else if (text[i] == '\\' && i + 1 < text.size()) {
      symbol += text[++i] == 'n' ? '\n' : text[i];
    } else {
      symbol += text[i];
    }
  }
  return symbols;
}

// Every option of the file must be known.
template <class Options>
void read_all_options(const safetensors::File& file, const std::string& group, Options& options) {
  const std::vector<std::string> unknown = read_options(file.metadata, file.path, group, options);
  check<DataError>(unknown.empty(), file.path, ": the option '", group, ".",
                   unknown.empty() ? "" : unknown[0], "' does not exist");
}

constexpr std::string_view kHex = "hex:";

bool is_utf8(const std::string& bytes) {
  const auto ignore = nlohmann::json::error_handler_t::ignore;
  const std::string kept = nlohmann::json(bytes).dump(-1, ' ', false, ignore);
  return nlohmann::json::parse(kept).get_ref<const std::string&>() == bytes;
}

}  // namespace

std::string to_metadata_text(const std::string& bytes) {
  if (!bytes.starts_with(kHex) && is_utf8(bytes)) return bytes;
  std::string text(kHex);
  for (const char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", unsigned(static_cast<unsigned char>(byte)));
    text += digits;
  }
  return text;
}

std::string from_metadata_text(const std::string& text) {
  if (!text.starts_with(kHex) || text.size() % 2 != 0) return text;
  std::string bytes;
  for (size_t at = kHex.size(); at < text.size(); at += 2) {
    unsigned byte = 0;
    const char* end = text.data() + at + 2;
    if (const auto read = std::from_chars(text.data() + at, end, byte, 16);
        read.ptr != end || read.ec != std::errc())
      return text;
    bytes += char(byte);
  }
  return bytes;
}

void add_card(Metadata& metadata, const ModelCard& card) {
  metadata[kVersionKey] = std::to_string(kVersion);
  metadata["task"] = to_metadata_text(card.task);
  metadata["vocabulary"] = as_lines(card.vocabulary);
  add_options(metadata, "model", card.options);
  add_options(metadata, "input", card.shape);
  if (card.language) add_options(metadata, "language", *card.language);
}

bool has_card(const safetensors::File& file) { return file.metadata.count(kVersionKey) > 0; }

ModelCard card_of(const safetensors::File& file) {
  check<DataError>(has_card(file), file.path,
                   ": the checkpoint does not hold the options of its "
                   "model: it has no metadata '",
                   kVersionKey, "'");
  const std::string& version = file.metadata.at(kVersionKey);
  check<DataError>(std::atoi(version.c_str()) >= 1 && std::atoi(version.c_str()) <= kVersion,
                   file.path, ": the version of the options must be from 1 to ", kVersion,
                   ", got '", version, "'");
  ModelCard card;
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  card.task = from_metadata_text(text("task"));
  card.vocabulary = from_lines(text("vocabulary"));
  read_all_options(file, "model", card.options);
  read_all_options(file, "input", card.shape);
  for (const auto& [key, value] : file.metadata)
    if (key.starts_with("language.")) card.language.emplace();
  if (card.language) read_all_options(file, "language", *card.language);
  return card;
}

void save_model(const std::string& path, const Parameters& parameters, const ModelCard& card,
                Metadata more) {
  add_card(more, card);
  safetensors::write(path, parameters.values(), more);
}

namespace {
// make(scope) is called with the root of the parameters.
template <class M, class Make>
Opened<M> opened_with(const safetensors::File& file, const ModelCard& card, Device device,
                      const Make& make) {
  Opened<M> opened{card, file.metadata, nullptr, nullptr};
  try {
    opened.parameters = std::make_unique<Parameters>(/*seed=*/0, card.options.dtype, device);
    opened.model = make(opened.parameters->root());
  } catch (const UsageError& e) {
    fail<DataError>(file.path, ": ", e.what());
  }
  opened.parameters->load(file, {"optimizer."});
  opened.parameters->set_training(false);
  return opened;
}
}  // namespace

OpenedModel open_model(const safetensors::File& file, const ModelCard& card, Device device) {
  check<DataError>(!card.language, file.path,
                   ": a model with classes is needed, got a language model");
  return opened_with<Model>(file, card, device, [&](const Scope& s) {
    return std::make_unique<Model>(s, card.options, card.shape);
  });
}

OpenedModel open_model(const std::string& path, Device device) {
  const safetensors::File file = safetensors::read(path);
  return open_model(file, card_of(file), device);
}

OpenedLanguageModel open_language_model(const std::string& path, Device device) {
  const safetensors::File file = safetensors::read(path);
  const ModelCard card = card_of(file);
  check<DataError>(card.language.has_value(), file.path,
                   ": a language model is needed, got a model with ", card.shape.classes,
                   " classes");
  return opened_with<LanguageModel>(file, card, device, [&](const Scope& s) {
    return std::make_unique<LanguageModel>(s, card.options, *card.language, card.shape);
  });
}

}  // namespace skiff
