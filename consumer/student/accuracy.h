#pragma once

#include "decant/consumer/trainer.h"
#include "decant/models/network.h"

namespace decant {

torch::Tensor ImageTensor(const std::vector<uint8_t>& images, size_t begin, size_t n, const ImageShape& shape);

// Share of the views of epoch 0 of `test` that the network classifies right, in [0, 1]; the ranks share the work.
double Accuracy(Network& network, const NetworkSpec& spec, const ViewRenderer& test, const TrainRanks& ranks);

}  // namespace decant
