#pragma once

#include <memory>
#include <string>

#include "decant/models/network.h"
#include "decant/models/tensor_file.h"

namespace decant {

// A network and what it was made from.
struct LoadedNetwork {
  NetworkSpec spec;
  std::shared_ptr<Network> network;
};

// The native checkpoint: a tensor file with the spec as the text `network` and the weights as `model.<name>`; of a
// network that came from TorchScript, TorchScript with the spec as the file `decant_network` in it.
void SaveNetwork(const std::string& path, const NetworkSpec& spec, const Network& network);
// kNotFound; kDataLoss for damage, or weights that do not fit the spec.
LoadedNetwork LoadNetwork(const std::string& path);

// The parts, for files that hold more than a network.
void PutWeights(const Network& network, TensorFile* file);
void TakeWeights(const TensorFile& file, const std::string& path, Network* network);

}  // namespace decant
