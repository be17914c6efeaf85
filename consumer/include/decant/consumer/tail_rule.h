#pragma once

#include <cstdint>
#include <string>

namespace decant {

// What a student makes of a label's tail mass, the probability of the classes that the label does not list.
enum class TailRule : uint8_t {
  kUniform,      // "uniform": each of the other C - k classes has tail / (C - k) (TinyViT, Wu et al., ECCV 2022)
  kRenormalise,  // "renormalise": none; the listed probabilities are divided by their sum
  kGhost,        // "ghost": one more class, compared with what the student gives to all that are not listed
};

// kInvalidArgument, with the known names, for another one.
TailRule ParseTailRule(const std::string& name);

}  // namespace decant
