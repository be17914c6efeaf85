#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "decant/data/view_spec.h"

namespace decant {

// External views are rendered by a transform of the user's, outside of Decant, from a random key that Decant gives for
// each; who is mixed with whom, and how, is drawn as for native views (DrawMixing, Order).

// What a seed of the user's generators is: the low and the high word are the first two of the stream of (seed,
// kExternalView, epoch, sample id).
uint64_t ExternalViewKey(uint64_t seed, uint32_t epoch, uint64_t sample_id);

// What the schema records: {"kind": "external", "description": ...}, and mixup, cutmix and their alphas where `mixing`
// has any. Of `mixing`, only these count. kInvalidArgument when they are out of bounds or the description is empty.
nlohmann::json ExternalViewIdentity(const std::string& description, const ViewSpec& mixing = {});

// Only mixup, cutmix and their alphas, of an identity of either kind. kMismatch for one that this build does not have.
ViewSpec MixingFromIdentity(const nlohmann::json& identity);

}  // namespace decant
