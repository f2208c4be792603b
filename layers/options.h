// ModelOptions: everything that a user chooses about a model, each setting once. LanguageOptions:
// what a language model has beside them. InputShape: what the data fixes. Together they build a
// model (model.h, language_model.h), and a checkpoint holds them.
#pragma once

#include <string>

#include "core/options.h"
#include "layers/blocks/attention.h"
#include "layers/blocks/gtu.h"
#include "layers/operators/fd_tno.h"
#include "layers/operators/rpe.h"
#include "layers/operators/ski_tno.h"
#include "layers/operators/tno.h"
#include "layers/units/norm.h"

namespace skiff {

enum class Readout { Mean, Max, Last };  // without padding; Last: of all positions, with it
enum class Layout { Image, Sequence };   // an image by rows and columns, or as one long sequence

inline std::span<const Word<Readout>> words_of(Readout) {
  static constexpr Word<Readout> kWords[] = {
      {Readout::Mean, "mean"}, {Readout::Max, "max"}, {Readout::Last, "last"}};
  return kWords;
}
inline std::span<const Word<Layout>> words_of(Layout) {
  static constexpr Word<Layout> kWords[] = {{Layout::Image, "image"},
                                            {Layout::Sequence, "sequence"}};
  return kWords;
}
inline std::span<const Word<DType>> words_of(DType) {  // of parameters
  static constexpr Word<DType> kWords[] = {{DType::Float32, "float32"},
                                           {DType::Float64, "float64"}};
  return kWords;
}

std::vector<std::string> mixer_names();  // mixers.cpp
std::vector<std::string> mixer_words();  // with the controls: what --mixer takes

struct ModelOptions {
  std::string mixer = "ski";  // mixers.h
  int64_t layers = 2;
  int64_t dim = 64;
  double expand = 1, glu_expand = 2;  // inner widths / dim
  NormKind norm = NormKind::Layer;
  bool postnorm = false;       // x <- norm(x + f(x)), and no final norm; else x <- x + f(norm x)
  bool sinusoids = true;       // absolute positions, added to the encoded input
  double dropout = 0;          // on the residual branches and inside the units
  bool glu_dropout = true;     // inside the gated linear unit, too
  double encoder_dropout = 0;  // on the encoded input
  Readout readout = Readout::Mean;
  Layout layout = Layout::Image;
  bool mask_padding = false;  // published models mix padded positions in
  Start start = Start::Small;
  KernelOptions kernel = {};
  TnoOptions tno = {};
  SkiOptions ski = {};
  FdOptions fd = {};
  AttentionOptions attention = {};
  DType dtype = DType::Float32;
  bool checkpoint_activations = false;

  // Widths of the unit that mixes positions and of the gated linear unit.
  int64_t inner() const { return int64_t(expand * double(dim)); }
  int64_t glu_inner() const { return int64_t(glu_expand * double(dim)); }

  static constexpr const char* kTitle = "Model";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "mixer",
           .help = "What mixes positions: a Toeplitz operator, attention, or a control: the short "
                   "filter of ski alone (conv), nothing (none)",
           .words = mixer_words},
          o.mixer);
    field({.name = "layers",
           .help = "Blocks: a unit that mixes positions and a gated linear unit",
           .low = 0,
           .high = 1000},
          o.layers);
    field({.name = "dim", .help = "Width of the model, in channels", .low = 1, .high = 65536},
          o.dim);
    field({.name = "expand",
           .help = "Width of the unit that mixes positions / dim",
           .low = 0.01,
           .high = 64},
          o.expand);
    field({.name = "glu-expand",
           .help = "Width of the gated linear unit / dim",
           .low = 0.01,
           .high = 64},
          o.glu_expand);
    field({.name = "norm", .help = "Normalisation"}, o.norm);
    field({.name = "postnorm", .help = "Normalise after the residual sum"}, o.postnorm);
    field({.name = "sinusoids", .help = "Add absolute positions to the encoded input"},
          o.sinusoids);
    field({.name = "dropout",
           .help = "Share of zeroed values on residual branches",
           .low = 0,
           .high = 0.999},
          o.dropout);
    field({.name = "glu-dropout",
           .help = "--dropout also acts inside the gated linear unit: published for the tasks, not "
                   "for language models"},
          o.glu_dropout);
    field({.name = "encoder-dropout",
           .help = "Share of zeroed values of the encoded input",
           .low = 0,
           .high = 0.999},
          o.encoder_dropout);
    field({.name = "readout",
           .help = "Pooling over positions: their mean, the largest value of each channel, or the "
                   "last one"},
          o.readout);
    field({.name = "layout", .help = "Images: mix along rows and columns, or one long sequence"},
          o.layout);
    field({.name = "mask-padding", .help = "Padded positions are not mixed in"}, o.mask_padding);
    field({.name = "start",
           .help = "First weights of the gated Toeplitz unit, in language models of all layers: "
                   "N(0, 0.02^2), or as PyTorch's default"},
          o.start);
    field({.name = "kernel", .help = ""}, o.kernel);
    field({.name = "tno", .help = ""}, o.tno);
    field({.name = "ski", .help = ""}, o.ski);
    field({.name = "fd", .help = ""}, o.fd);
    field({.name = "attention", .help = ""}, o.attention);
    field({.name = "dtype", .help = "Number type of parameters and activations"}, o.dtype);
    field({.name = "checkpoint-activations",
           .help = "Keep the input of each block only and compute the rest again: less memory, "
                   "the same results",
           .changes_result = false},
          o.checkpoint_activations);
  }
};

// Beside the options of a model, those of a language model (language_model.h).
struct LanguageOptions {
  bool tied = true;              // the output matrix is that of the embedding
  bool scale_embedding = false;  // by sqrt(dim)
  NormKind embedding_norm = NormKind::None;
  NormKind final_norm = NormKind::Layer;  // none with postnorm

  static constexpr const char* kTitle = "Language model";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "tied", .help = "The output matrix is that of the embedding"}, o.tied);
    field({.name = "scale-embedding", .help = "Multiply the embedded tokens by sqrt(dim)"},
          o.scale_embedding);
    field({.name = "embedding-norm", .help = "Normalisation of the embedded tokens"},
          o.embedding_norm);
    field({.name = "final-norm",
           .help = "Normalisation before the output matrix, without --postnorm"},
          o.final_norm);
  }
};

// What the data fixes about a model: tokens of a vocabulary, or real numbers per position.
struct InputShape {
  int64_t vocab = 0;     // tokens, or
  int64_t features = 0;  // this many real numbers per position
  int64_t classes = 0;
  int64_t max_length = 0;         // longest sequence of the training
  int64_t height = 0, width = 0;  // images: height width = positions
  bool pairs = false;             // each example is two documents

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "vocab", .help = "Tokens of the vocabulary", .low = 0}, o.vocab);
    field({.name = "features", .help = "Numbers per position", .low = 0}, o.features);
    field({.name = "classes", .help = "Classes", .low = 0}, o.classes);
    field({.name = "max-length", .help = "Longest sequence, in positions", .low = 0}, o.max_length);
    field({.name = "height", .help = "Height of an image, in pixels", .low = 0}, o.height);
    field({.name = "width", .help = "Width of an image, in pixels", .low = 0}, o.width);
    field({.name = "pairs", .help = "Each example is two documents"}, o.pairs);
  }
};

}  // namespace skiff
