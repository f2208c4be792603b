#include "examples/train/init.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <sstream>

#include "autograd/ops.h"
#include "examples/train/checkpoint.h"
#include "examples/train/open_run.h"
#include "layers/mixers.h"

namespace skiff {

namespace {

// Options of a model that change neither the parameters of its trunk nor what they mean.
constexpr const char* kFree[] = {
    "readout", "mask-padding",           "dropout", "encoder-dropout", "glu-dropout",
    "start",   "checkpoint-activations", "dtype"};

void check_same_option(const std::string& file, const std::string& name, const std::string& then,
                       const std::string& now) {
  check<DataError>(then == now, "--init: '", file, "' was pretrained with --", name, " ", then,
                   ", this run has ", now);
}

void check_same_trunk(const std::string& file, const ModelCard& then, const ModelCard& now) {
  const std::map<std::string, std::string> before = to_texts(then.options);
  const std::vector<std::string> unread = unread_options(now.options);
  for_each_field(now.options, [&](const Field& field, const auto& value) {
    const std::string name = field.name;
    const bool free = std::find(std::begin(kFree), std::end(kFree), name) != std::end(kFree) ||
                      std::find(unread.begin(), unread.end(), name) != unread.end() ||
                      (name == "layout" && now.shape.height == 0);
    if (!free) check_same_option(file, name, before.at(name), value_text(value));
  });
  check_same_option(file, "max-length", value_text(then.shape.max_length),
                    value_text(now.shape.max_length));
  const auto size = [](const InputShape& s) {
    return value_text(s.height) + " x " + value_text(s.width);
  };
  check<DataError>(size(then.shape) == size(now.shape), "--init: '", file,
                   "' was pretrained on images of ", size(then.shape), " pixels, these have ",
                   size(now.shape));
}

// What the model of a card reads, without what masking adds.
std::string input_of(const ModelCard& card, bool masked) {
  const InputShape& shape = card.shape;
  if (shape.vocab == 0) return value_text(shape.features - masked) + " numbers per position";
  return "a vocabulary of " + value_text(shape.vocab - masked) + " tokens";
}

// The same input, so that a token has the same row of the embedding.
void check_same_input(const std::string& file, const ModelCard& then, const ModelCard& now,
                      bool masked) {
  const std::string before = input_of(then, masked), after = input_of(now, false);
  check<DataError>(before == after && then.vocabulary == now.vocabulary, "--init: '", file,
                   "' was pretrained on ", before, ", this run has ", after,
                   before == after ? " with other ids" : "");
}

// "encoder, layers, norm": the parts of a model that hold these parameters.
std::string parts_of(const std::vector<safetensors::Entry>& entries) {
  std::vector<std::string> parts;
  for (const safetensors::Entry& e : entries) {
    const std::string part = e.name.substr(0, e.name.find('.'));
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

// Leaves in the file what a classifier can use, and returns what was dropped.
std::string keep_trunk(safetensors::File& file, const ModelCard& now, bool masked) {
  std::string dropped = PositionModel::kDecoder;
  std::erase_if(file.tensors, [](const safetensors::Entry& e) {
    return e.name.starts_with("optimizer.") ||
           e.name.starts_with(PositionModel::kDecoder + std::string("."));
  });
  if (!masked) return dropped;
  const bool tokens = now.shape.vocab > 0;
  for (safetensors::Entry& e : file.tensors) {
    if (e.name != "encoder.weight") continue;
    const int64_t axis = tokens ? 0 : 1;  // (vocab, dim), (dim, features)
    e.tensor = slice(Variable(e.tensor), axis, 0, e.tensor.size(axis) - 1).value();
  }
  return dropped + (tokens ? ", the last row of encoder.weight (the mask)"
                           : ", the last column of encoder.weight (the mask)");
}

// Ids go by frequency, so other data may give a token another id. Its row of the embedding follows
// it, and so does what an optimizer keeps of that row; a token without a row starts afresh. Rows
// behind those of the tokens, as that of a mask, stay behind. Says so, or returns "".
std::string move_rows(safetensors::File& file, const ModelCard& now, const Parameters& parameters) {
  const Parameter* embedding = parameters.find("encoder.weight");
  if (!has_card(file) || !embedding) return "";
  const std::vector<std::string> then = card_of(file).vocabulary;
  if (then == now.vocabulary || then.empty() || now.vocabulary.empty()) return "";
  const Tensor own = embedding->variable.value().to(Device::CPU);
  for (safetensors::Entry& e : file.tensors) {
    const bool values = e.name == "encoder.weight" || e.name == "optimizer.average.encoder.weight";
    const bool state = e.name.starts_with("optimizer.") && e.name.ends_with(".encoder.weight");
    if (!(values || state) || e.tensor.rank() != 2 || e.tensor.size(1) != own.size(1) ||
        e.tensor.size(0) < int64_t(then.size()))
      continue;
    Tensor moved = values ? own.to(e.tensor.dtype()).clone() : zeros(own.shape(), e.tensor.dtype());
    const size_t bytes = size_t(e.tensor.bytes() / e.tensor.size(0));
    for (int64_t id = 0; id < moved.size(0); ++id) {
      const int64_t behind = id - int64_t(now.vocabulary.size());
      const auto at = behind >= 0 ? then.end()
                                  : std::find(then.begin(), then.end(), now.vocabulary[size_t(id)]);
      const int64_t row = at - then.begin() + std::max<int64_t>(behind, 0);
      if ((at == then.end() && behind < 0) || row >= e.tensor.size(0)) continue;
      std::memcpy(static_cast<std::byte*>(moved.raw()) + size_t(id) * bytes,
                  static_cast<const std::byte*>(e.tensor.raw()) + size_t(row) * bytes, bytes);
    }
    e.tensor = moved;
  }
  return "the data gives other ids to its tokens than that of '" + file.path +
         "': the rows of the embedding follow their tokens";
}

// What is known of why the parameters of a file do not fit: the kind of model, its classes and
// ids, and the options that differ. "" if nothing is.
std::string differences(const safetensors::File& file, const ModelCard& now) {
  if (!has_card(file)) return "";
  const ModelCard then = card_of(file);
  if (then.language.has_value() != now.language.has_value())
    return then.language ? "it holds a language model" : "it holds a classifier";
  std::string text;
  const auto add = [&](const std::string& what, const std::string& is, const std::string& was) {
    if (is != was) text += (text.empty() ? "" : ", ") + what + " " + is + ", was " + was;
  };
  add("classes:", value_text(now.shape.classes), value_text(then.shape.classes));
  add("ids:", value_text(now.shape.vocab), value_text(then.shape.vocab));
  const std::map<std::string, std::string> before = to_texts(then.options);
  const std::vector<std::string> unread = unread_options(now.options);
  const auto among = [](const auto& names, const std::string& name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  for (const auto& [name, value] : to_texts(now.options))
    if (!among(kFree, name) && !among(unread, name)) add("--" + name, value, before.at(name));
  if (now.language) {
    std::map<std::string, std::string> other = to_texts(*then.language);
    for (const auto& [name, value] : to_texts(*now.language)) add("--" + name, value, other[name]);
  }
  return text;
}

}  // namespace

void load_parameters(const safetensors::File& file, const ModelCard& card, Parameters& parameters) {
  try {
    parameters.load(file, {"optimizer."});
  } catch (const DataError& e) {
    const std::string why = differences(file, card);
    fail<DataError>("--init: ", why.empty() ? "" : why + "; ", e.what());
  }
}

std::string start_from(const std::string& path, const ModelCard& card, Parameters& parameters,
                       safetensors::File* state) {
  safetensors::File file = safetensors::read(checkpoint_at(path).file);
  const Pretrain objective = pretraining_of(file).objective;
  const bool pretrains =
      parameters.find(PositionModel::kDecoder + std::string(".weight")) != nullptr;
  if (objective != Pretrain::None && pretrains && has_card(file))  // the decoder's rows are by id
    check_same_input(file.path, card_of(file), card, false);
  if (objective == Pretrain::None || pretrains) {
    const std::string moved = move_rows(file, card, parameters);
    load_parameters(file, card, parameters);
    if (state) *state = std::move(file);
    return moved;
  }
  const ModelCard then = card_of(file);
  const bool masked = objective == Pretrain::Masked;
  check_same_trunk(file.path, then, card);
  check_same_input(file.path, then, card, masked);
  const std::string dropped = keep_trunk(file, card, masked);
  const std::string taken = parts_of(file.tensors);
  const size_t count = file.tensors.size();
  for (const Parameter& p : parameters.all())
    if (p.name.starts_with("decoder")) file.tensors.push_back({p.name, p.variable.value()});
  parameters.load(file);
  std::ostringstream text;
  text << "started from '" << file.path << "', pretraining " << value_text(objective) << " on "
       << then.task << ": took " << taken << " (" << count << " tensors); dropped " << dropped;
  return text.str();
}

}  // namespace skiff
