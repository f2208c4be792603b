// --init: the parameters that a run starts from.
#pragma once

#include <string>

#include "layers/model_file.h"

namespace skiff {

// train_lra: loads the parameters of another run of train_lra, `path` being its folder (the best
// weights) or a checkpoint, into those of the model of this card. Where the data of that run gave
// other ids to the tokens, the rows of the embedding follow their tokens, and the text says so. Of
// a pretraining only the trunk is taken, in the shape that the card asks for; then the text says
// what was taken and what was dropped. DataError for parameters that do not fit, and for a
// pretraining with another trunk: it names the first option that differs. `state` gets the file,
// with its rows moved; of a pretraining it holds no state of an optimizer.
std::string start_from(const std::string& path, const ModelCard& card, Parameters& parameters,
                       safetensors::File* state = nullptr);

// The parameters of a checkpoint of the same model. DataError "--init: .." for those of another
// one, which begins with the options that differ.
void load_parameters(const safetensors::File& file, const ModelCard& card, Parameters& parameters);

}  // namespace skiff
