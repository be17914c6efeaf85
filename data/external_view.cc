#include "decant/data/external_view.h"

#include "decant/base/error.h"
#include "decant/base/random.h"

namespace decant {
namespace {

ViewSpec OnlyMixing(const ViewSpec& spec) {
  ViewSpec mixing;
  mixing.mixup = spec.mixup;
  mixing.mixup_alpha = spec.mixup_alpha;
  mixing.cutmix = spec.cutmix;
  mixing.cutmix_alpha = spec.cutmix_alpha;
  return mixing;
}

}  // namespace

uint64_t ExternalViewKey(uint64_t seed, uint32_t epoch, uint64_t sample_id) {
  const auto block = PhiloxBlock(seed, RandomPurpose::kExternalView, epoch, sample_id, 0);
  return block[0] | uint64_t{block[1]} << 32;
}

nlohmann::json ExternalViewIdentity(const std::string& description, const ViewSpec& mixing) {
  if (description.empty()) {
    Fail(ErrorCode::kInvalidArgument, "external views need a description: what transform they are, and its parameters");
  }
  const ViewSpec spec = OnlyMixing(mixing);
  spec.Validate();
  nlohmann::json identity = {{"kind", "external"}, {"description", description}};
  if (spec == ViewSpec()) return identity;
  identity["mixup"] = spec.mixup;
  identity["mixup_alpha"] = spec.mixup_alpha;
  identity["cutmix"] = spec.cutmix;
  identity["cutmix_alpha"] = spec.cutmix_alpha;
  return identity;
}

ViewSpec MixingFromIdentity(const nlohmann::json& identity) {
  if (!identity.is_object() || identity.value("kind", nlohmann::json()) != "external") {
    return OnlyMixing(ViewSpecFromIdentity(identity));
  }
  ViewSpec mixing;
  try {
    mixing.mixup = identity.value("mixup", mixing.mixup);
    mixing.mixup_alpha = identity.value("mixup_alpha", mixing.mixup_alpha);
    mixing.cutmix = identity.value("cutmix", mixing.cutmix);
    mixing.cutmix_alpha = identity.value("cutmix_alpha", mixing.cutmix_alpha);
    if (ExternalViewIdentity(identity.at("description"), mixing) == identity) return mixing;
  } catch (const nlohmann::json::exception&) {
    // Falls through.
  } catch (const Error&) {
    // Falls through.
  }
  Fail(ErrorCode::kMismatch, "views: this build does not know these external views: {}", identity.dump());
}

}  // namespace decant
