#include "decant/consumer/tail_rule.h"

#include "decant/base/error.h"

namespace decant {

TailRule ParseTailRule(const std::string& name) {
  if (name == "uniform") return TailRule::kUniform;
  if (name == "renormalise") return TailRule::kRenormalise;
  if (name == "ghost") return TailRule::kGhost;
  Fail(ErrorCode::kInvalidArgument, "the tail rule '{}' is not known; use 'uniform', 'renormalise' or 'ghost'", name);
}

}  // namespace decant
